// Sign-up to password recovery; at the end the customer is signed in, and a confirmed neighbour too.
import { done, newClient, refusal, session, sorted } from './shared.mjs'

const NEW_PASSWORD = 'a better password'

export async function account(journey) {
  await signUp(journey)
  await confirm(journey)
  await change(journey)
  await signInAndOut(journey)
  await refresh(journey)
  await recover(journey)
  await knownAddress(journey)
  await admin(journey)
}

async function signUp({ own, facts }) {
  const { auth } = own.client
  const { user, session } = await done(
    auth.signUp({ email: own.email, password: own.password, options: { data: { full_name: 'Ada' } } }),
  )
  own.id = user.id
  facts.sign_up = {
    session: session !== null,
    confirmed: user.email_confirmed_at !== undefined,
    identities: user.identities.length,
    email: user.email === own.email,
    full_name: user.user_metadata.full_name,
  }
  facts.sign_up_with_a_weak_password = {
    refused: await refusal(auth.signUp({ email: `weak-${own.email}`, password: 'short' })),
  }
  facts.sign_in_before_confirming = {
    refused: await refusal(auth.signInWithPassword({ email: own.email, password: own.password })),
  }
}

async function confirm(journey) {
  const { own, facts } = journey
  const { auth } = own.client
  const { email } = own
  const [{ code: first }] = await journey.mails()
  const wrong = String((Number(first) + 1) % 1_000_000).padStart(6, '0')
  facts.wrong_code = { refused: await refusal(auth.verifyOtp({ email, token: wrong, type: 'signup' })) }
  await done(auth.resend({ type: 'signup', email }))
  const mails = await journey.mails()
  facts.resend = {
    kinds: mails.map((mail) => mail.kind),
    earlier_code: await refusal(auth.verifyOtp({ email, token: first, type: 'signup' })),
  }
  const token = mails.at(-1).code
  const { user, session } = await done(auth.verifyOtp({ email, token, type: 'signup' }))
  facts.verify_code = {
    own: user.id === own.id,
    confirmed: user.email_confirmed_at !== undefined,
    token_type: session.token_type,
    expires_in: session.expires_in,
    used_again: await refusal(newClient(journey.site).auth.verifyOtp({ email, token, type: 'signup' })),
  }
}

async function change(journey) {
  const { own, facts } = journey
  const { auth } = own.client
  const { user } = await done(auth.getUser())
  facts.get_user = {
    own: user.id === own.id,
    role: user.role,
    provider: user.app_metadata.provider,
    metadata: sorted(Object.keys(user.user_metadata)),
  }
  const updated = await done(auth.updateUser({ data: { full_name: null, colour: 'pink' } }))
  facts.update_user = {
    colour: updated.user.user_metadata.colour,
    kept: sorted(Object.keys(updated.user.user_metadata)),
  }
  facts.get_claims = await claimsOf(journey)
}

async function claimsOf({ own, site }) {
  const { claims, header } = await done(own.client.auth.getClaims())
  return {
    algorithm: header.alg,
    own: claims.sub === own.id,
    issuer: claims.iss === `${site.supabaseUrl}/auth/v1`,
    audience: claims.aud,
    role: claims.role,
    level: claims.aal,
    methods: claims.amr.map((entry) => entry.method),
  }
}

async function signInAndOut(journey) {
  const { own, facts } = journey
  const { auth } = own.client
  const { email, password } = own
  const before = await session(own.client)
  await done(auth.signOut())
  const stranger = newClient(journey.site)
  facts.sign_out = {
    session: (await session(own.client)) !== null,
    user_of_old_token: await isKnown(stranger, before.access_token),
    refresh: await refusal(stranger.auth.refreshSession({ refresh_token: before.refresh_token })),
  }
  facts.wrong_password = {
    refused: await refusal(auth.signInWithPassword({ email, password: 'not the password' })),
  }
  facts.unknown_address = { refused: await refusal(auth.signInWithPassword({ email: `nobody-${email}`, password })) }
  const { user } = await done(auth.signInWithPassword({ email, password }))
  facts.sign_in = { own: user.id === own.id, methods: (await claimsOf(journey)).methods }
}

async function refresh(journey) {
  const { own, facts } = journey
  const before = await session(own.client)
  await done(own.client.auth.refreshSession())
  const after = await session(own.client)
  const other = newClient(journey.site)
  await done(other.auth.refreshSession({ refresh_token: before.refresh_token }))
  const repeated = await session(other)
  facts.refresh_session = {
    own: after.user.id === own.id,
    other_access_token: after.access_token !== before.access_token,
    other_refresh_token: after.refresh_token !== before.refresh_token,
    repeated_gets_the_current_one: repeated.refresh_token === after.refresh_token,
    unknown: await refusal(other.auth.refreshSession({ refresh_token: 'unknown' })),
  }
  const third = newClient(journey.site)
  await done(third.auth.setSession({ access_token: after.access_token, refresh_token: after.refresh_token }))
  facts.set_session = { own: (await session(third)).user.id === own.id, known: await isKnown(third) }
}

async function recover(journey) {
  const { own, facts } = journey
  const { auth } = own.client
  const { email, password } = own
  const elsewhere = newClient(journey.site)
  await done(elsewhere.auth.signInWithPassword({ email, password }))
  await done(auth.resetPasswordForEmail(email))
  const recovery = (await journey.mails()).at(-1)
  const recovered = await done(auth.verifyOtp({ email, token: recovery.code, type: 'recovery' }))
  const same = await refusal(auth.updateUser({ password }))
  await done(auth.updateUser({ password: NEW_PASSWORD }))
  own.password = NEW_PASSWORD
  facts.reset_password = {
    kind: recovery.kind,
    own: recovered.user.id === own.id,
    same_password: same,
    old_password: await refusal(newClient(journey.site).auth.signInWithPassword({ email, password })),
    new_password: await refusal(auth.signInWithPassword({ email, password: NEW_PASSWORD })),
    other_session_is_known: await isKnown(elsewhere),
  }
  await done(auth.signInWithOtp({ email, options: { shouldCreateUser: false } }))
  const mail = (await journey.mails()).at(-1)
  const { user } = await done(auth.verifyOtp({ email, token: mail.code, type: 'email' }))
  const unknown = { email: `nobody-${email}`, options: { shouldCreateUser: false } }
  facts.sign_in_with_code = {
    kind: mail.kind,
    own: user.id === own.id,
    unknown_address: await refusal(elsewhere.auth.signInWithOtp(unknown)),
  }
}

// Nothing tells a stranger that the address has an account.
async function knownAddress(journey) {
  const { own, facts } = journey
  const stranger = newClient(journey.site)
  const mails = (await journey.mails()).length
  const { user, session } = await done(stranger.auth.signUp({ email: own.email, password: "somebody else's" }))
  const resent = await refusal(stranger.auth.resend({ type: 'signup', email: own.email }))
  facts.sign_up_again = {
    session: session !== null,
    own: user.id === own.id,
    confirmed: user.email_confirmed_at !== undefined,
    identities: user.identities.length,
    resend: resent,
    mails: (await journey.mails()).length - mails,
  }
}

async function admin({ admin, own, neighbour, facts }) {
  const { email, password } = neighbour
  const created = await done(admin.auth.admin.createUser({ email, password, email_confirm: true }))
  neighbour.id = created.user.id
  const { user } = await done(neighbour.client.auth.signInWithPassword({ email, password }))
  const forged = own.client.auth.admin.createUser({ email: `x-${email}`, password: 'whatever' })
  facts.admin_creates_a_user = {
    confirmed: created.user.email_confirmed_at !== undefined,
    signs_in: user.id === created.user.id,
    by_a_customer: await refusal(forged),
  }
}

// Whether Auth still knows this token's user and session, or the client's own.
async function isKnown(client, token) {
  const { data, error } = await client.auth.getUser(token)
  return error === null && data.user !== null
}
