// An app written for Edge Functions, through unmodified supabase-js: the steps of ../functions/app.py, one by one the same.
// Prints the facts of each step as one JSON object. Reads SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, ACCESS_TOKEN, PHOTO (a
// path in the bucket), FUNCTIONS and AWAY (JSON: the address of each function; AWAY has an intake that is gone).
import { createClient } from '@supabase/supabase-js'
import { setTimeout as sleep } from 'node:timers/promises'

const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, ACCESS_TOKEN, PHOTO } = process.env
const functions = JSON.parse(process.env.FUNCTIONS)
const away = JSON.parse(process.env.AWAY)

const user = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, { accessToken: async () => ACCESS_TOKEN })
const nobody = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY)

function invoke(client, name, options, places = functions) {
  client.functionsUrl = new URL(places[name])
  return client.functions.invoke(name, options)
}

async function finished(name, options) {
  const { data, error } = await invoke(user, name, options)
  if (error) throw error
  return data
}

async function refused(client, body, places) {
  const { data, error } = await invoke(client, 'process-image', { body }, places)
  const problem = await error.context.json()
  return { data, error: error.name, status: error.context.status, code: problem.code }
}

const ask = (age) => ({ toolId: 'age', toolParameters: { age }, originalImageStoragePath: PHOTO })
const facts = {}

const picture = await finished('process-image', { body: ask(30) })
facts.picture = {
  status: picture.status,
  cached: picture.cached,
  error: picture.error,
  cost: picture.creditCost,
  seen_by_anybody: (await fetch(picture.imageUrl)).status,
}

const again = await finished('process-image', { body: ask(30) })
facts.again = { cached: again.cached, same: again.id === picture.id }

const analysis = await finished('analyze-face', { body: { originalImageStoragePath: PHOTO } })
facts.analysis = { status: analysis.status, members: Object.keys(analysis.result).length }

const written = await finished('process-image', { body: JSON.stringify(ask(31)) })
facts.json_written_by_the_app = { status: written.status }

const early = await finished('process-image', { body: ask(32), headers: { Prefer: 'wait=0' } })
facts.not_waiting = { open: ['queued', 'processing'].includes(early.status), picture: early.imageUrl }
let row
do {
  await sleep(50)
  const answer = await user.from('generations').select('status, image_path').eq('id', early.id).single()
  if (answer.error) throw answer.error
  row = answer.data
} while (row.status === 'queued' || row.status === 'processing')
facts.not_waiting_ends = { status: row.status, picture: row.image_path !== null }

facts.wrong_parameter = await refused(user, ask(200))
facts.signed_out = await refused(nobody, ask(33))
facts.intake_away = await refused(user, ask(34), away)

process.stdout.write(JSON.stringify(facts) + '\n', () => process.exit())
