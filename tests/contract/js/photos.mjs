// Storage: the customer's own folder in `user_uploads`, in every form the client can send, and what stays closed.
import { createHash } from 'node:crypto'
import { done, get, newClient, refusal, sorted } from './shared.mjs'
import { until } from './waiting.mjs'

const JPEG = { contentType: 'image/jpeg' }
const TOO_LARGE = 15 * 2 ** 20 + 1

export async function photos(journey) {
  await uploads(journey)
  await replacing(journey)
  await reading(journey)
  await refusedUploads(journey)
  await signedUrls(journey)
  await signedUploads(journey)
  await copies(journey)
  await removals(journey)
  await strangers(journey)
}

function uploadsOf(person) {
  return person.client.storage.from('user_uploads')
}

async function content(bucket, path) {
  return Buffer.from(await (await done(bucket.download(path))).arrayBuffer())
}

async function uploads(journey) {
  const { own, photo } = journey
  const bucket = uploadsOf(own)
  const upload = async (name, file, options = JPEG) => {
    const answer = await done(bucket.upload(`${own.id}/${name}`, file, options))
    return {
      path: journey.named(answer.path),
      full_path: journey.named(answer.fullPath),
      equal: photo.equals(await content(bucket, `${own.id}/${name}`)),
    }
  }
  journey.facts.upload_a_file = {
    first: await upload('file.jpg', new File([photo], 'me.jpg', { type: 'image/jpeg' })),
    second: await upload('blob.jpg', new Blob([photo], { type: 'image/jpeg' })),
  }
  const array = photo.buffer.slice(photo.byteOffset, photo.byteOffset + photo.length)
  journey.facts.upload_bytes = {
    first: await upload('bytes.jpg', array),
    second: await upload('more bytes (1).jpg', photo, { ...JPEG, metadata: { taken: 'today' } }),
  }
}

async function replacing({ own, photo, facts }) {
  const bucket = uploadsOf(own)
  const path = `${own.id}/file.jpg`
  const other = photo.subarray(0, -1)
  const refused = await refusal(bucket.upload(path, other, JPEG))
  facts.overwrite = { refused, equal: photo.equals(await content(bucket, path)) }
  await done(bucket.upload(path, other, { ...JPEG, upsert: true }))
  facts.upsert = { equal: other.equals(await content(bucket, path)) }
  await done(bucket.update(path, new Blob([photo], { type: 'image/jpeg' })))
  facts.update = { equal: photo.equals(await content(bucket, path)) }
}

async function reading(journey) {
  const { own, neighbour, photo, facts } = journey
  const bucket = uploadsOf(own)
  const info = await done(bucket.info(`${own.id}/more bytes (1).jpg`))
  facts.info = {
    name: journey.named(info.name),
    bucket: info.bucketId,
    size: info.size === photo.length,
    type: info.contentType,
    cache: info.cacheControl,
    etag: info.etag === `"${createHash('md5').update(photo).digest('hex')}"`,
    metadata: info.metadata,
  }
  facts.exists = {
    present: (await bucket.exists(`${own.id}/file.jpg`)).data,
    missing: (await bucket.exists(`${own.id}/missing.jpg`)).data,
  }
  const names = async (options) => (await done(bucket.list(own.id, options))).map((entry) => entry.name)
  const entries = await done(bucket.list(own.id))
  facts.list = {
    names: entries.map((entry) => entry.name),
    types: sorted(new Set(entries.map((entry) => entry.metadata.mimetype))),
    page: await names({ limit: 2, offset: 1, sortBy: { column: 'name', order: 'asc' } }),
    last: await names({ limit: 1, offset: 0, sortBy: { column: 'name', order: 'desc' } }),
    root: (await done(bucket.list())).map((entry) => [journey.named(entry.name), entry.id]),
  }
  const theirs = `${neighbour.id}/theirs.jpg`
  await done(uploadsOf(neighbour).upload(theirs, photo, JPEG))
  facts.somebody_elses_folder = {
    list: (await done(bucket.list(neighbour.id))).length,
    download: await refusal(bucket.download(theirs)),
    exists: (await bucket.exists(theirs)).data,
    missing: await refusal(bucket.download(`${own.id}/missing.jpg`)),
  }
}

async function refusedUploads(journey) {
  const { own, neighbour, photo, facts } = journey
  const { storage } = own.client
  const bucket = uploadsOf(own)
  const gif = new Blob([photo], { type: 'image/gif' })
  const large = new Blob([Buffer.alloc(TOO_LARGE)], { type: 'image/jpeg' })
  facts.refused_uploads = {
    elsewhere: await refusal(bucket.upload(`${neighbour.id}/mine.jpg`, photo, JPEG)),
    no_folder: await refusal(bucket.upload('mine.jpg', photo, JPEG)),
    results: await refusal(storage.from('generations').upload(`${own.id}/mine.jpg`, photo, JPEG)),
    no_bucket: await refusal(storage.from('nothing').upload(`${own.id}/mine.jpg`, photo, JPEG)),
    wrong_type: await refusal(bucket.upload(`${own.id}/mine.gif`, gif)),
    no_type: await refusal(bucket.upload(`${own.id}/mine.jpg`, photo)),
    too_large: await refusal(bucket.upload(`${own.id}/mine.jpg`, large)),
    odd_name: journey.named(await refusal(bucket.upload(`${own.id}/mïne.jpg`, photo, JPEG))),
  }
  facts.after_refused_uploads = { names: (await done(bucket.list(own.id))).map((entry) => entry.name) }
}

async function signedUrls(journey) {
  const { own, neighbour, photo, facts } = journey
  const bucket = uploadsOf(own)
  const signed = async (path, seconds, options) =>
    (await done(bucket.createSignedUrl(path, seconds, options))).signedUrl
  const url = await signed(`${own.id}/more bytes (1).jpg`, 60)
  const opened = await get(url)
  const attachment = await get(await signed(`${own.id}/file.jpg`, 60, { download: 'me.jpg' }))
  const brief = await signed(`${own.id}/file.jpg`, 1)
  const at = url.lastIndexOf('.') + 1
  const forged = url.slice(0, at) + (url[at] === 'A' ? 'B' : 'A') + url.slice(at + 1)
  facts.signed_url = {
    equal: photo.equals(Buffer.from(await opened.arrayBuffer())),
    type: opened.headers.get('content-type'),
    attachment: attachment.headers.get('content-disposition'),
    forged: await journey.status(forged),
    of_another_object: await journey.status(url.replace('more%20bytes%20(1)', 'file')),
    no_token: await journey.status(url.split('?')[0]),
    expired: await until(() => journey.status(brief), (status) => status !== 200),
    missing: await refusal(bucket.createSignedUrl(`${own.id}/missing.jpg`, 60)),
    theirs: await refusal(bucket.createSignedUrl(`${neighbour.id}/theirs.jpg`, 60)),
  }
  await attachment.arrayBuffer()
  const paths = [`${own.id}/file.jpg`, `${own.id}/missing.jpg`, `${neighbour.id}/theirs.jpg`]
  const entries = []
  for (const { path, error, signedUrl } of await done(bucket.createSignedUrls(paths, 60))) {
    entries.push([journey.named(path), error, signedUrl ? await journey.status(signedUrl) : null])
  }
  facts.signed_urls = { entries }
  const refused = await get(bucket.getPublicUrl(`${own.id}/file.jpg`).data.publicUrl)
  const { statusCode: code, error } = await refused.json()
  facts.public_url_of_a_private_bucket = { status: refused.status, code, error }
}

async function signedUploads(journey) {
  const { own, neighbour, photo, facts } = journey
  const bucket = uploadsOf(own)
  const anybody = newClient(journey.site).storage.from('user_uploads')
  const { path, token } = await done(bucket.createSignedUploadUrl(`${own.id}/signed.jpg`))
  const answer = await done(anybody.uploadToSignedUrl(path, token, new Blob([photo], { type: 'image/jpeg' })))
  facts.signed_upload_url = {
    path: journey.named(path),
    full_path: journey.named(answer.fullPath),
    equal: photo.equals(await content(bucket, path)),
    again: await refusal(anybody.uploadToSignedUrl(path, token, photo, JPEG)),
    other_path: await refusal(anybody.uploadToSignedUrl(`${own.id}/else.jpg`, token, photo, JPEG)),
    theirs: await refusal(bucket.createSignedUploadUrl(`${neighbour.id}/mine.jpg`)),
    existing: await refusal(bucket.createSignedUploadUrl(`${own.id}/file.jpg`)),
  }
}

async function copies({ own, neighbour, photo, facts }) {
  const bucket = uploadsOf(own)
  const theirs = neighbour.id
  await done(bucket.copy(`${own.id}/file.jpg`, `${own.id}/albums/copy.jpg`))
  await done(bucket.move(`${own.id}/signed.jpg`, `${own.id}/albums/moved.jpg`))
  facts.copy_and_move = {
    copy: photo.equals(await content(bucket, `${own.id}/albums/copy.jpg`)),
    moved: photo.equals(await content(bucket, `${own.id}/albums/moved.jpg`)),
    left: (await bucket.exists(`${own.id}/signed.jpg`)).data,
    folder: (await done(bucket.list(`${own.id}/albums`))).map((entry) => entry.name),
    copy_over: await refusal(bucket.copy(`${own.id}/file.jpg`, `${own.id}/albums/copy.jpg`)),
    move_over: await refusal(bucket.move(`${own.id}/file.jpg`, `${own.id}/albums/copy.jpg`)),
    copy_away: await refusal(bucket.copy(`${own.id}/file.jpg`, `${theirs}/copy.jpg`)),
    move_away: await refusal(bucket.move(`${own.id}/file.jpg`, `${theirs}/moved.jpg`)),
    copy_theirs: await refusal(bucket.copy(`${theirs}/theirs.jpg`, `${own.id}/theirs.jpg`)),
    move_theirs: await refusal(bucket.move(`${theirs}/theirs.jpg`, `${own.id}/theirs.jpg`)),
    missing: await refusal(bucket.copy(`${own.id}/missing.jpg`, `${own.id}/copy.jpg`)),
  }
}

async function removals(journey) {
  const { own, neighbour, facts } = journey
  const bucket = uploadsOf(own)
  const theirs = `${neighbour.id}/theirs.jpg`
  const removed = await done(bucket.remove([`${own.id}/bytes.jpg`, `${own.id}/missing.jpg`, theirs]))
  facts.remove = {
    removed: removed.map((row) => journey.named(row.name)),
    missing: await done(bucket.remove([`${own.id}/missing.jpg`])),
    theirs: await done(bucket.remove([theirs])),
    gone: (await bucket.exists(`${own.id}/bytes.jpg`)).data,
    theirs_is_kept: (await uploadsOf(neighbour).exists(theirs)).data,
  }
}

async function strangers({ site, own, admin, photo, facts }) {
  const { storage } = newClient(site)
  const bucket = storage.from('user_uploads')
  facts.storage_signed_out = {
    list: (await done(bucket.list(own.id))).length,
    download: await refusal(bucket.download(`${own.id}/file.jpg`)),
    upload: await refusal(bucket.upload(`${own.id}/mine.jpg`, photo, JPEG)),
    buckets: (await done(storage.listBuckets())).length,
    remove: await done(bucket.remove([`${own.id}/file.jpg`])),
  }
  const buckets = await done(admin.storage.listBuckets())
  facts.storage_with_the_secret_key = {
    buckets: sorted(buckets.map((bucket) => [bucket.id, bucket.public, bucket.file_size_limit])),
    equal: photo.equals(await content(admin.storage.from('user_uploads'), `${own.id}/file.jpg`)),
  }
}
