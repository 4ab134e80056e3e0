// What both Fastify peers share: the shape of a job, and so many processes on one port.
const cluster = require('node:cluster')

const jobSchema = {
  type: 'object',
  required: ['type', 'args'],
  properties: {
    type: { type: 'string', enum: ['echo'] },
    priority: { type: 'string', enum: ['low', 'default', 'high'] },
    description: { type: 'string', maxLength: 4000 },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    args: { type: 'object' },
    max_attempts: { type: 'integer', minimum: 1, maximum: 20 },
    correlation_id: { type: 'string', maxLength: 128 },
  },
}

async function serve(routes) {
  const processes = Number(process.env.WEB_PROCESSES)
  if (processes > 1 && cluster.isPrimary) {
    for (let n = 0; n < processes; n++) cluster.fork()
    process.on('SIGTERM', () => process.exit(0))
    return
  }
  const app = require('fastify')()
  app.get('/health', async () => ({ ok: true }))
  await routes(app)
  await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
}

module.exports = { jobSchema, serve }
