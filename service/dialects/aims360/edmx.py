"""$metadata: an entity set as CSDL in XML. Pure."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from service.dialects.aims360.entities import EntitySet

NAMESPACE = "AIMS360"
_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_CORE = "Org.OData.Core.V1"
_VOCABULARIES = "https://docs.oasis-open.org/odata/odata-vocabularies/v4.0/vocabularies"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"


def metadata(entities: EntitySet) -> bytes:
    """The document; times are kept to the millisecond."""
    root = Element("edmx:Edmx", {"xmlns:edmx": _EDMX, "Version": "4.0"})
    vocabulary = SubElement(root, "edmx:Reference", {"Uri": f"{_VOCABULARIES}/{_CORE}.xml"})
    SubElement(vocabulary, "edmx:Include", {"Namespace": _CORE})
    schema = SubElement(
        SubElement(root, "edmx:DataServices"), "Schema", {"xmlns": _EDM, "Namespace": NAMESPACE}
    )
    kind = SubElement(schema, "EntityType", {"Name": entities.name})
    SubElement(SubElement(kind, "Key"), "PropertyRef", {"Name": entities.key})
    for one in entities.properties:
        facts = {"Name": one.name, "Type": one.type}
        if one.type == "Edm.DateTimeOffset":
            facts["Precision"] = "3"
        if not one.nullable:
            facts["Nullable"] = "false"
        made = SubElement(kind, "Property", facts)
        if one.sql is None:
            SubElement(made, "Annotation", {"Term": f"{_CORE}.Computed", "Bool": "true"})
    container = SubElement(schema, "EntityContainer", {"Name": "Container"})
    SubElement(container, "EntitySet", {"Name": entities.name, "EntityType": f"{NAMESPACE}.{entities.name}"})
    indent(root)
    return bytes(tostring(root, "utf-8", xml_declaration=True))
