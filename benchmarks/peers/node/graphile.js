// Fastify + Graphile Worker: `node graphile.js web` and `node graphile.js worker`. It deletes the jobs that it has done,
// so that what can be asked for is a row of our own, written with the job and marked by the task.
const { randomUUID } = require('node:crypto')
const { run } = require('graphile-worker')
const { Pool } = require('pg')
const { jobSchema, serve } = require('./web')

const connectionString = process.env.DATABASE_URL
const SUBMIT = `WITH made AS (INSERT INTO jobs (id, job) VALUES ($1, $2) RETURNING id)
SELECT graphile_worker.add_job('echo', json_build_object('id', id)) FROM made`
const READ = 'SELECT id, status, output FROM jobs WHERE id = $1'
const FINISH = `UPDATE jobs SET status = 'finished', output = job -> 'args' WHERE id = $1`

async function routes(app) {
  const pool = new Pool({ connectionString, max: 10 })
  app.post('/jobs', { schema: { body: jobSchema } }, async (request, reply) => {
    const id = randomUUID()
    await pool.query(SUBMIT, [id, JSON.stringify(request.body)])
    reply.code(202)
    return { id }
  })
  app.get('/jobs/:id', async (request, reply) => {
    const { rows } = await pool.query(READ, [request.params.id])
    return rows[0] ?? reply.code(404).send({})
  })
}

const taskList = { echo: async ({ id }, { query }) => void (await query(FINISH, [id])) }
if (process.argv[2] === 'web') serve(routes)
else run({ connectionString, concurrency: 20, maxPoolSize: 22, taskList })
