// The script of ../journey through unmodified supabase-js, chapter by chapter and step by step the same.
// Prints the facts of each step as one JSON object; after an exception those so far, and exits with 1.
// Reads SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, SUPABASE_SECRET_KEY, INTAKE_URL, OPERATOR_URL, PORTRAIT (a file) and
// OUTAGES (`true` where Realtime can be told to drop its clients).
import { account } from './account.mjs'
import { leave, listen } from './events.mjs'
import { job } from './job.mjs'
import { photos } from './photos.mjs'
import { newJourney } from './shared.mjs'
import { tables } from './tables.mjs'

const journey = await newJourney(process.env)
try {
  await account(journey)
  await photos(journey)
  await tables(journey)
  const channels = await listen(journey)
  await job(journey, channels)
  await leave(journey, channels)
} catch (error) {
  console.error(error)
  process.exitCode = 1
}
// Once it is written: nothing that a client left open may keep the process.
process.stdout.write(JSON.stringify(journey.facts) + '\n', () => process.exit())
