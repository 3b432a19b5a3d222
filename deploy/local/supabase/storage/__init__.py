"""Supabase Storage: `routes(context)`. Rows in `storage.objects` under the real policies, bytes in files."""

from starlette.routing import BaseRoute, Route

from deploy.local.supabase.context import Context
from deploy.local.supabase.storage import buckets, changing, download, listing, signing, upload
from deploy.local.supabase.storage.errors import Handler, endpoint
from deploy.local.supabase.storage.files import Files
from deploy.local.supabase.storage.service import Storage

OBJECT = "{bucket}/{name:path}"

# The first match wins: the fixed words come before the buckets' names.
HANDLERS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/bucket", buckets.list_buckets),
    ("POST", "/bucket", buckets.create_bucket),
    ("POST", "/bucket/{bucket}/empty", buckets.empty_bucket),
    ("GET", "/bucket/{bucket}", buckets.get_bucket),
    ("PUT", "/bucket/{bucket}", buckets.update_bucket),
    ("DELETE", "/bucket/{bucket}", buckets.delete_bucket),
    ("POST", "/object/move", changing.move),
    ("POST", "/object/copy", changing.copy),
    ("POST", "/object/list/{bucket}", listing.list_folder),
    ("POST", "/object/list-v2/{bucket}", listing.list_names),
    ("POST", f"/object/upload/sign/{OBJECT}", signing.sign_upload),
    ("PUT", f"/object/upload/sign/{OBJECT}", upload.with_signed_url),
    ("POST", f"/object/sign/{OBJECT}", signing.sign),
    ("GET", f"/object/sign/{OBJECT}", download.signed),
    ("POST", "/object/sign/{bucket}", signing.sign_many),
    ("GET", f"/object/info/public/{OBJECT}", download.public_info),
    ("GET", f"/object/info/authenticated/{OBJECT}", download.info),
    ("GET", f"/object/info/{OBJECT}", download.info),
    ("GET", f"/object/public/{OBJECT}", download.public),
    ("GET", f"/object/authenticated/{OBJECT}", download.own),
    ("GET", "/render/image/{rest:path}", download.transformed),
    ("GET", f"/object/{OBJECT}", download.own),
    ("POST", f"/object/{OBJECT}", upload.create),
    ("PUT", f"/object/{OBJECT}", upload.update),
    ("DELETE", f"/object/{OBJECT}", changing.remove_one),
    ("DELETE", "/object/{bucket}", changing.remove),
)


def routes(context: Context) -> list[BaseRoute]:
    """Everything below `/storage/v1`."""
    storage = Storage(context, Files(context.storage_dir))
    return [Route(f"/storage/v1{path}", endpoint(storage, handler), methods=[verb]) for verb, path, handler in HANDLERS]
