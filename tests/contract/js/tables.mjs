// REST: the catalogue for everybody, the own rows, and what no client may read or change.
import { done, newClient, refusal } from './shared.mjs'

export async function tables(journey) {
  await catalogue(journey)
  await rowsByNumber(journey)
  await ownRow(journey)
  await others(journey)
  await closed(journey)
  await strangers(journey)
}

async function catalogue({ own, facts }) {
  const { client } = own
  facts.select_ordered = {
    first: await done(client.from('tools').select('id, credit_cost').order('sort_order').limit(3)),
    page_from_the_end: await done(
      client.from('tools').select('id').order('sort_order', { ascending: false }).range(1, 2),
    ),
  }
  const tools = () => client.from('tools').select('id').order('id')
  const ids = async (query) => (await done(query)).map((row) => row.id)
  facts.filters = {
    eq: await ids(tools().eq('type', 'ANALYSIS')),
    neq: await ids(tools().neq('type', 'TRANSFORMATION').neq('type', 'FILTER')),
    in: await ids(tools().in('id', ['age', 'bald', 'nothing'])),
    gte: await ids(tools().gte('id', 'skin').lt('id', 't')),
    like: await ids(tools().like('id', 'h%')),
    ilike: await ids(tools().ilike('id', 'HAIR%')),
    is: await ids(tools().is('is_active', false)),
    none: await ids(tools().eq('id', 'nothing')),
  }
}

async function rowsByNumber({ own, facts }) {
  const { client } = own
  const tools = () => client.from('tools')
  facts.one_row = {
    single: await done(tools().select('id, type').eq('id', 'age').single()),
    single_of_none: await refusal(tools().select('id').eq('id', 'nothing').single()),
    single_of_many: await refusal(tools().select('id').single()),
    maybe_single: await done(tools().select('id').eq('id', 'nothing').maybeSingle()),
    count: (await tools().select('id', { count: 'exact', head: true })).count,
  }
}

async function ownRow({ own, facts }) {
  const users = () => own.client.from('users')
  const update = (values) => users().update(values).eq('id', own.id)
  const row = await done(users().select('id, username, plan_id, credits').single())
  facts.own_row = {
    own: row.id === own.id,
    username: row.username,
    plan: row.plan_id,
    credits: row.credits,
    all_columns: await refusal(users().select('*')),
    private_column: await refusal(users().select('period_anchor')),
    unknown_column: await refusal(users().select('password')),
  }
  facts.update_own_row = {
    changed: await done(update({ username: 'ada' }).select('username')),
    silently: await refusal(update({ username: 'ada' })),
    answered_whole: await refusal(update({ username: 'x' }).select('*')),
    too_long: await refusal(update({ username: 'x'.repeat(51) }).select('username')),
    credits: await refusal(update({ credits: 999 }).select('credits')),
    plan: await refusal(update({ plan_id: 4 }).select('plan_id')),
    delete: await refusal(users().delete().eq('id', own.id).select('id')),
    now: await done(users().select('username, credits, plan_id').single()),
  }
}

async function others({ own, neighbour, facts }) {
  const { client } = own
  const users = () => client.from('users')
  facts.somebody_elses_row = {
    seen: (await done(users().select('id').eq('id', neighbour.id))).length,
    changed: (await done(users().update({ username: 'mine now' }).eq('id', neighbour.id).select('id'))).length,
    visible_users: (await done(users().select('id'))).length,
  }
  const grant = { user_id: own.id, kind: 'grant', amount: 100, balance_after: 110 }
  facts.forged_rows = {
    ledger: await refusal(client.from('credit_usage').insert(grant)),
    tools: await refusal(client.from('tools').update({ credit_cost: 0 }).eq('id', 'age').select('id')),
    generations: await refusal(client.from('generations').insert({ user_id: own.id, tool_id: 'age' })),
    upsert: await refusal(users().upsert({ id: own.id, credits: 999 })),
  }
}

async function closed({ own, neighbour, admin, facts }) {
  const { client } = own
  const named = { p_id: own.id, p_user: own.id }
  facts.private_schemas = {
    rpc: await refusal(client.rpc('get_generation', named)),
    rpc_in_schema: await refusal(client.schema('sparky').rpc('get_generation', named)),
    table: await refusal(client.schema('sparky').from('holds').select('*')),
    cache: await refusal(client.schema('cache').from('kv_store').select('*')),
    auth: await refusal(client.schema('auth').from('users').select('*')),
    with_the_secret_key: await refusal(admin.schema('sparky').from('holds').select('*')),
    missing_table: await refusal(client.from('nothing').select('*')),
  }
  const money = admin.from('users').update({ credits: 999 }).eq('id', own.id).select('id')
  facts.rest_with_the_secret_key = {
    users: (await done(admin.from('users').select('id').in('id', [own.id, neighbour.id]))).length,
    credits: await refusal(money),
  }
}

async function strangers({ site, own, facts }) {
  const stranger = newClient(site)
  facts.rest_signed_out = {
    tools: (await done(stranger.from('tools').select('*'))).length,
    users: await refusal(stranger.from('users').select('id')),
    update: await refusal(stranger.from('users').update({ username: 'x' }).eq('id', own.id).select('id')),
    notifications: await refusal(stranger.from('notifications').select('id')),
  }
}
