// A function that does nothing by itself: each call goes to one route of the intake, whose answer goes back as it is.
//
// The intake knows the user, charges and queues; here nothing is checked, kept or tried again. A call is answered within
// DEADLINE_MS, whatever happens. When the intake gives no answer the client gets a FunctionsRelayError, and may repeat
// the call: an equal request finds the one that runs and is not charged again.

const WAIT_SECONDS = 55 // below the 60 s after which most HTTP clients give up
const DEADLINE_MS = 90_000 // below the platform's 150 s
const RETRY_SECONDS = 2
const PASSED_BACK = ['content-type', 'cache-control', 'preference-applied', 'retry-after', 'www-authenticate', 'allow']
const SANE_ID = /^[A-Za-z0-9._-]{8,64}$/

type Handler = (request: Request) => Promise<Response>

// The intake's address, from SPARKY_INTAKE_URL. Throws when it is missing or no address, so that nothing starts.
export function intakeUrl(): URL {
  return new URL(Deno.env.get('SPARKY_INTAKE_URL') ?? '')
}

// Forwards to `path` of the intake; answers the browser's preflight itself.
export function forwarder(intake: URL, path: string): Handler {
  const target = new URL(path.slice(1), intake.href.endsWith('/') ? intake : `${intake.href}/`)
  return async (request) => {
    if (request.method === 'OPTIONS') return preflight(request)
    const id = requestId(request)
    const began = performance.now()
    const answer = await forward(request, target, id)
    answer.headers.set('access-control-allow-origin', '*')
    answer.headers.set('access-control-expose-headers', 'preference-applied, retry-after, x-request-id')
    answer.headers.set('x-request-id', id)
    log('request_forwarded', { request_id: id, path, status: answer.status, ms: Math.round(performance.now() - began) })
    return answer
  }
}

async function forward(request: Request, target: URL, id: string): Promise<Response> {
  const body = request.body === null ? null : await request.arrayBuffer()
  // Apps that made the JSON text themselves send it as plain text.
  const headers = new Headers({ 'content-type': 'application/json', 'x-request-id': id })
  headers.set('prefer', request.headers.get('prefer') ?? `wait=${WAIT_SECONDS}`)
  const authorization = request.headers.get('authorization')
  if (authorization !== null) headers.set('authorization', authorization)
  try {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    const answer = await fetch(target, { method: request.method, headers, body, signal, redirect: 'error' })
    // Read whole, so that an answer that breaks off is an error too.
    const content = await answer.arrayBuffer()
    const kept = new Headers()
    for (const name of PASSED_BACK) {
      const value = answer.headers.get(name)
      if (value !== null) kept.set(name, value)
    }
    return new Response(content.byteLength === 0 ? null : content, { status: answer.status, headers: kept })
  } catch (error) {
    log('intake_unavailable', { request_id: id, error: error instanceof Error ? error.name : 'unknown' })
    return unavailable(id)
  }
}

function unavailable(id: string): Response {
  const problem = {
    type: 'urn:sparky:problem:unavailable',
    title: 'The service is unavailable for a moment.',
    status: 503,
    code: 'unavailable',
    detail: 'The intake gave no answer.',
    requestId: id,
  }
  return new Response(JSON.stringify(problem), {
    status: 503,
    headers: {
      'content-type': 'application/problem+json',
      'retry-after': String(RETRY_SECONDS),
      // What makes it a FunctionsRelayError in the clients.
      'x-relay-error': 'true',
    },
  })
}

function preflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '*',
      'access-control-max-age': '3600',
      vary: 'access-control-request-headers',
    },
  })
}

function requestId(request: Request): string {
  const given = request.headers.get('x-request-id')
  return given !== null && SANE_ID.test(given) ? given : crypto.randomUUID()
}

// One JSON object a line. Tokens and bodies are never logged.
function log(event: string, fields: Record<string, string | number>): void {
  console.log(JSON.stringify({ event, ...fields }))
}
