// The main job: ask the intake, be told by Realtime, get the picture; again from the cache; an analysis; delete.
import { done, get, refusal, send, session, sorted } from './shared.mjs'
import { until } from './waiting.mjs'

const TOOL = { toolId: 'hairstyle', toolParameters: { style: 'female-short-1', color: 'e91e63' } }

export async function job(journey, channels) {
  channels.heard.items.length = 0
  const generation = await picture(journey, channels.heard)
  await cached(journey, generation)
  await analysis(journey)
  await refused(journey, generation)
  await notifications(journey)
  await ledger(journey)
  await remove(journey, generation)
}

async function picture(journey, heard) {
  const { own, neighbour, photo, facts } = journey
  const answer = await call(journey, 'POST', '/v1/process-image', request(journey))
  const submitted = await answer.json()
  facts.submit = {
    status: answer.status,
    location: answer.headers.get('location').endsWith(`/v1/generations/${submitted.id}`),
    generation: submitted.status,
    cached: submitted.cached,
    cost: submitted.creditCost,
    fields: sorted(Object.keys(submitted)),
  }
  const told = await heard.first({ channel: 'account', table: 'notifications' })
  const balance = await heard.first({ channel: 'account', table: 'users' })
  facts.told_by_changes = {
    type: told.type,
    columns: sorted(Object.keys(told.new)),
    status: told.new.params.status,
    of_this_generation: told.new.params.generationId === submitted.id,
    credits: balance.new.credits,
  }
  const ended = await heard.first((item) => item.event === 'generation' && item.payload.status === 'succeeded')
  for (const event of ['notification', 'balance']) await heard.first({ channel: 'private', event })
  const broadcasts = heard.all({ channel: 'private', kind: 'broadcast' })
  const payloads = (event) => broadcasts.filter((item) => item.event === event).map((item) => item.payload)
  facts.told_by_broadcast = {
    events: sorted(new Set(broadcasts.map((item) => item.event))),
    statuses: payloads('generation').map((payload) => payload.status),
    of_this_generation: ended.payload.generationId === submitted.id,
    balance: payloads('balance').at(-1).credits,
  }
  const generation = await (await call(journey, 'GET', `/v1/generations/${submitted.id}`)).json()
  const row = await done(
    own.client.from('generations').select('id, status, image_path').eq('id', submitted.id).single(),
  )
  const bucket = own.client.storage.from('generations')
  const downloaded = await get(generation.imageUrl)
  facts.picture = {
    status: generation.status,
    row: row.status,
    public_url: bucket.getPublicUrl(row.image_path).data.publicUrl === generation.imageUrl,
    download: downloaded.status,
    type: downloaded.headers.get('content-type').split('/')[0],
    changed: !photo.equals(Buffer.from(await downloaded.arrayBuffer())),
    own_list: (await done(bucket.list(own.id))).length,
    neighbours_list: (await done(neighbour.client.storage.from('generations').list(own.id))).length,
    remove: await done(bucket.remove([row.image_path])),
  }
  return generation
}

async function cached(journey, generation) {
  const answer = await call(journey, 'POST', '/v1/process-image', request(journey))
  const body = await answer.json()
  journey.facts.submit_again = {
    status: answer.status,
    cached: body.cached,
    same: [body.id === generation.id, body.imageUrl === generation.imageUrl],
    credits: await credits(journey),
  }
}

async function analysis(journey) {
  const wanted = { originalImageStoragePath: `${journey.own.id}/file.jpg` }
  const answer = await call(journey, 'POST', '/v1/analyze-face', wanted, { Prefer: 'wait=60' })
  const body = await answer.json()
  journey.facts.analysis = {
    status: answer.status,
    generation: body.status,
    picture: body.imageUrl,
    result: sorted(Object.keys(body.result)),
    credits: await credits(journey),
  }
}

async function refused(journey, { id }) {
  const { own, neighbour, site, facts } = journey
  const path = `/v1/generations/${id}`
  const submit = async (changes) => problem(await call(journey, 'POST', '/v1/process-image', { ...request(journey), ...changes }))
  const token = (await session(neighbour.client)).access_token
  facts.refused_by_the_intake = {
    cancel_finished: await problem(await call(journey, 'POST', `${path}/cancel`)),
    somebody_elses_photo: await submit({ originalImageStoragePath: `${neighbour.id}/theirs.jpg` }),
    missing_photo: await submit({ originalImageStoragePath: `${own.id}/missing.jpg` }),
    unknown_tool: await submit({ toolId: 'nose' }),
    no_token: await problem(await get(site.intakeUrl + path)),
    somebody_elses_generation: await problem(
      await get(site.intakeUrl + path, { Authorization: `Bearer ${token}` }),
    ),
  }
}

async function notifications({ own, facts }) {
  const table = () => own.client.from('notifications')
  const unread = await done(table().select('type, params').eq('read', false).order('id'))
  const marked = await done(table().update({ read: true }).eq('user_id', own.id).select('id, read'))
  facts.notifications = {
    unread: unread.map(({ type, params }) => [type, params.toolId, params.status]),
    marked: marked.map((row) => row.read),
    left: (await done(table().select('id').eq('read', false))).length,
    forged: await refusal(table().update({ title_key: 'x' }).eq('user_id', own.id).select('id')),
  }
}

async function ledger({ own, facts }) {
  const rows = await done(own.client.from('credit_usage').select('kind, amount, balance_after').order('id'))
  facts.ledger = { rows }
}

async function remove(journey, { id, imageUrl }) {
  const path = `/v1/generations/${id}`
  const deleted = await call(journey, 'DELETE', path)
  const bucket = journey.own.client.storage.from('generations')
  journey.facts.delete = {
    status: deleted.status,
    picture: await until(() => journey.status(imageUrl), (status) => status !== 200),
    listed: (await done(bucket.list(journey.own.id))).length,
    generation: await problem(await call(journey, 'GET', path)),
    again: (await call(journey, 'DELETE', path)).status,
    left: (await (await call(journey, 'GET', '/v1/generations')).json()).generations.map((each) => each.toolId),
    credits: await credits(journey),
  }
}

function request({ own }) {
  return { ...TOOL, originalImageStoragePath: `${own.id}/file.jpg` }
}

async function problem(answer) {
  return `${answer.status} ${(await answer.json()).code}`
}

async function credits({ own }) {
  return (await done(own.client.from('users').select('credits').single())).credits
}

async function call(journey, method, path, body, headers = {}) {
  const authorization = { Authorization: `Bearer ${await journey.token()}` }
  return send(method, journey.site.intakeUrl + path, body, { ...authorization, ...headers })
}
