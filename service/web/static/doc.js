"use strict";

// Everything is asked of where this page came from: the document names its servers by path alone.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#doc",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  filter: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  queryConfigEnabled: false,
  validatorUrl: null,
});
