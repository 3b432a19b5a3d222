// What the chapters share: the people, their clients, and how an answer becomes a fact.
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createClient } from '@supabase/supabase-js'

const CALL_MS = 70_000

export async function newJourney(environment) {
  const site = {
    supabaseUrl: environment.SUPABASE_URL,
    publishableKey: environment.SUPABASE_PUBLISHABLE_KEY,
    secretKey: environment.SUPABASE_SECRET_KEY,
    intakeUrl: environment.INTAKE_URL,
    operatorUrl: environment.OPERATOR_URL,
    outages: environment.OUTAGES === 'true',
  }
  const journey = {
    site,
    photo: await readFile(environment.PORTRAIT),
    admin: newClient(site, site.secretKey),
    own: newPerson(site),
    neighbour: newPerson(site),
    facts: {},
    // The text with everybody's id replaced by who they are.
    named: (text) => text.replaceAll(journey.own.id, '<own>').replaceAll(journey.neighbour.id, '<neighbour>'),
    // What was mailed to the customer, oldest first.
    mails: async () => {
      const mails = await (await get(`${site.operatorUrl}/mails`)).json()
      return mails.filter((mail) => mail.to === journey.own.email)
    },
    // What anybody gets there, without keys.
    status: async (url) => {
      const answer = await get(url)
      await answer.arrayBuffer()
      return answer.status
    },
    token: async () => (await session(journey.own.client)).access_token,
  }
  return journey
}

// A client of nobody, with the publishable key unless another is given.
export function newClient(site, key = site.publishableKey) {
  return createClient(site.supabaseUrl, key, { auth: { autoRefreshToken: false, persistSession: false } })
}

function newPerson(site) {
  const email = `${randomBytes(8).toString('hex')}@example.com`
  return { client: newClient(site), email, password: randomBytes(16).toString('base64url'), id: '' }
}

// The answer's data; what the service refuses ends the script.
export async function done(call) {
  const { data, error } = await call
  if (error) throw error
  return data
}

// `accepted`, or how the service said no: status and code (Auth), status and message (Storage), code (REST).
export async function refusal(call) {
  const { error } = await call
  if (!error) return 'accepted'
  if (error.name === 'StorageApiError') return `${error.statusCode} ${error.message}`
  if (error.name === 'PostgrestError' || 'hint' in error) return error.code
  return `${error.status} ${error.code}`
}

export async function session(client) {
  return (await done(client.auth.getSession())).session
}

export function get(url, headers = {}) {
  return fetch(url, { headers, signal: AbortSignal.timeout(CALL_MS) })
}

export function send(method, url, body, headers = {}) {
  const json = body === undefined ? {} : { 'content-type': 'application/json' }
  return fetch(url, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { ...json, ...headers },
    signal: AbortSignal.timeout(CALL_MS),
  })
}

export function sorted(values) {
  return [...values].sort()
}
