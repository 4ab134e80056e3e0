// Fastify + BullMQ: `node bullmq.js web` and `node bullmq.js worker`. Jobs are kept in Redis alone.
const { Queue, Worker } = require('bullmq')
const Redis = require('ioredis')
const { jobSchema, serve } = require('./web')

const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null })

async function routes(app) {
  const queue = new Queue('jobs', { connection })
  app.post('/jobs', { schema: { body: jobSchema } }, async (request, reply) => {
    const job = await queue.add(request.body.type, request.body)
    reply.code(202)
    return { id: job.id }
  })
  app.get('/jobs/:id', async (request, reply) => {
    const job = await queue.getJob(request.params.id)
    if (!job) return reply.code(404).send({})
    return { id: job.id, status: await job.getState(), progress: job.progress, output: job.returnvalue }
  })
}

if (process.argv[2] === 'web') serve(routes)
else new Worker('jobs', async (job) => job.data.args, { connection, concurrency: 100 })
