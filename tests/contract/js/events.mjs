// Realtime: changes under the policies, private channels, broadcasts, and coming back after the server went away.
import { done, send, sorted } from './shared.mjs'
import { Heard } from './waiting.mjs'

const PRIVATE = { config: { private: true } }
const NAMES = ['account', 'everything', 'private']

// The customer's channels and all that came in on them.
class Channels {
  heard = new Heard()

  constructor({ own }) {
    const { client, id } = own
    this.account = client.channel('account')
    this.#listen('account', 'INSERT', 'notifications', `user_id=eq.${id}`)
    this.#listen('account', 'UPDATE', 'users', `id=eq.${id}`)
    this.#listen('account', '*', 'tools')
    this.everything = client.channel('everything')
    this.#listen('everything', '*', 'notifications')
    this.#listen('everything', '*', 'users')
    this.private = client.channel(`user:${id}`, PRIVATE)
    for (const event of ['generation', 'notification', 'balance']) {
      this.private.on('broadcast', { event }, ({ payload }) => {
        this.heard.add({ channel: 'private', kind: 'broadcast', event, payload })
      })
    }
  }

  // Resolves when the server has answered, either way.
  join(channel, name) {
    channel.on('system', {}, ({ message }) => this.heard.add({ channel: name, kind: 'system', message }))
    channel.subscribe((state, error) => {
      this.heard.add({ channel: name, kind: 'state', state, error: error?.message })
    })
    return this.heard.first({ channel: name, kind: 'state' })
  }

  names(channel) {
    return this.heard.all({ channel, kind: 'change', table: 'users' }).map((item) => item.new.username)
  }

  heardName(channel, name) {
    return this.heard.first((item) => {
      return item.channel === channel && item.table === 'users' && item.new.username === name
    })
  }

  // Waits for both channels, so that none brings it later. Answers the account's change.
  async heardEverywhere(name) {
    await this.heardName('everything', name)
    return this.heardName('account', name)
  }

  #listen(name, event, table, filter) {
    const wanted = filter === undefined ? { event, schema: 'public', table } : { event, schema: 'public', table, filter }
    this[name].on('postgres_changes', wanted, (change) => {
      const { eventType: type, old } = change
      this.heard.add({ channel: name, kind: 'change', table: change.table, type, new: change.new, old })
    })
  }
}

// Join everything and hear the first changes.
export async function listen(journey) {
  const channels = new Channels(journey)
  const { heard } = channels
  for (const name of NAMES) await channels.join(channels[name], name)
  for (const channel of ['account', 'everything']) await heard.first({ channel, kind: 'system' })
  journey.facts.subscribe = {
    ...byName((channel) => heard.all({ channel, kind: 'state' }).map((item) => item.state)),
    system: heard.all({ channel: 'account', kind: 'system' }).map((item) => item.message),
  }
  const foreign = journey.own.client.channel(`user:${journey.neighbour.id}`, PRIVATE)
  const refused = await channels.join(foreign, 'foreign')
  await journey.own.client.removeChannel(foreign)
  journey.facts.somebody_elses_channel = {
    state: refused.state,
    unauthorized: (refused.error ?? '').includes('Unauthorized'),
  }
  await firstChanges(journey, channels)
  await betweenClients(journey, channels.private)
  if (journey.site.outages) await reconnect(journey, channels)
  await newToken(journey, channels)
  return channels
}

// One channel stops listening while another goes on; then all are left.
export async function leave({ own, neighbour, facts }, channels) {
  const { client } = own
  const { heard } = channels
  await client.removeChannel(channels.everything)
  heard.items.length = 0
  for (const name of ['after leaving', 'last']) {
    await rename(own, name)
    await channels.heardName('account', name)
  }
  const left = client.getChannels().length
  await client.removeAllChannels()
  facts.unsubscribe = {
    heard_on_the_left_one: heard.all({ channel: 'everything' }).length,
    channels: left,
    in_the_end: client.getChannels().length,
  }
  await neighbour.client.removeAllChannels()
}

async function firstChanges({ own, neighbour, site, facts }, channels) {
  await rename(neighbour, 'neighbour')
  await rename(own, 'first')
  const change = await channels.heardEverywhere('first')
  facts.change_of_the_own_row = {
    type: change.type,
    columns: sorted(Object.keys(change.new)),
    before: change.old.username,
    everything: channels.names('everything'),
  }
  await send('POST', `${site.operatorUrl}/touch-tool/bald`)
  const tool = await channels.heard.first({ channel: 'account', table: 'tools' })
  facts.change_of_the_catalogue = {
    type: tool.type,
    id: tool.new.id,
    columns: sorted(Object.keys(tool.new)),
    old: sorted(Object.keys(tool.old)),
  }
}

// Any two clients may talk on a public topic; nobody but the database speaks on a private one.
async function betweenClients({ own, neighbour, facts }, privateChannel) {
  const heard = new Heard()
  const open = async (client, who) => {
    const room = client.channel('room')
    room.on('broadcast', { event: 'hello' }, ({ payload }) => heard.add({ who, payload }))
    room.subscribe((state) => heard.add({ who, state }))
    await heard.first({ who, state: 'SUBSCRIBED' })
    return room
  }
  const room = await open(own.client, 'own')
  const theirs = await open(neighbour.client, 'neighbour')
  const told = (who) => heard.first((item) => item.who === who && item.payload?.by === 'http')
  await room.send({ type: 'broadcast', event: 'hello', payload: { by: 'socket', text: 'schön 😀' } })
  const first = await heard.first((item) => item.who === 'neighbour' && item.payload !== undefined)
  await theirs.httpSend('hello', { by: 'http' })
  const both = [(await told('own')).payload, (await told('neighbour')).payload]
  facts.broadcast_between_clients = {
    heard: first.payload,
    echo: heard.all({ who: 'own', payload: first.payload }).length,
    by_http: both,
    by_http_on_the_private_channel: await privateChannel.httpSend('balance', { credits: 999 }).then(
      () => 'accepted',
      () => 'refused',
    ),
  }
  await own.client.removeChannel(room)
  await neighbour.client.removeChannel(theirs)
}

async function reconnect({ own, site, facts }, channels) {
  const { heard } = channels
  heard.items.length = 0
  const url = `${site.supabaseUrl}/local/realtime/disconnect`
  const answer = await send('POST', url, undefined, { apikey: site.secretKey })
  for (const channel of NAMES) await heard.first({ channel, kind: 'state', state: 'SUBSCRIBED' })
  for (const channel of ['account', 'everything']) await heard.first({ channel, kind: 'system' })
  await rename(own, 'after the outage')
  await channels.heardEverywhere('after the outage')
  facts.reconnect = {
    disconnected: (await answer.json()).disconnected > 0,
    ...byName((channel) => [...new Set(heard.all({ channel, kind: 'state' }).map((item) => item.state))]),
    heard: channels.names('account'),
  }
}

async function newToken(journey, channels) {
  const before = await journey.token()
  channels.heard.items.length = 0
  await done(journey.own.client.auth.refreshSession())
  await rename(journey.own, 'with a new token')
  await channels.heardEverywhere('with a new token')
  journey.facts.new_token = {
    other: (await journey.token()) !== before,
    states: channels.heard.all({ kind: 'state' }).map((item) => item.state),
    heard: channels.names('everything'),
  }
}

function byName(of) {
  return Object.fromEntries(NAMES.map((name) => [name, of(name)]))
}

async function rename({ client, id }, username) {
  await done(client.from('users').update({ username }).eq('id', id).select('username'))
}
