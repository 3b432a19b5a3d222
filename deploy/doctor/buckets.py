"""The two buckets: who may read them without a key, and what may be put into them."""

from dataclasses import dataclass

from deploy.doctor.family import Family, Finding, Place

LOOK = """
select id, public, file_size_limit, allowed_mime_types from storage.buckets where id in ('user_uploads', 'generations')
"""
REMEDY = "run 20261122001400_buckets_and_publication.sql again, or `supabase config push`"


@dataclass(frozen=True)
class Bucket:
    public: bool
    file_size_limit: int | None
    mime_types: frozenset[str] | None


@dataclass(frozen=True)
class Buckets:
    by_name: dict[str, Bucket]
    results_private: bool


async def look(place: Place) -> Buckets:
    rows = await place.connection.fetch(LOOK)
    found = {
        row["id"]: Bucket(
            row["public"],
            row["file_size_limit"],
            None if row["allowed_mime_types"] is None else frozenset(row["allowed_mime_types"]),
        )
        for row in rows
    }
    return Buckets(found, place.results_private)


def judge(found: Buckets, expected: Buckets) -> list[Finding]:
    findings = []
    for name, wanted in expected.by_name.items():
        there = found.by_name.get(name)
        if there is None:
            findings.append(Finding(f"the bucket {name} is missing", REMEDY))
            continue
        if there.file_size_limit != wanted.file_size_limit:
            sizes = f"{there.file_size_limit or 'any number of'} bytes instead of {wanted.file_size_limit}"
            findings.append(Finding(f"the bucket {name} takes files of {sizes}", REMEDY))
        if there.mime_types != wanted.mime_types:
            types = "any type" if there.mime_types is None else ", ".join(sorted(there.mime_types))
            findings.append(Finding(f"the bucket {name} takes {types}", REMEDY))
    return findings + _openness(found)


def _openness(found: Buckets) -> list[Finding]:
    """Uploads are always private; results are as the intake expects them."""
    close = "update storage.buckets set public = false where id = '{}'"
    findings = []
    uploads, results = found.by_name.get("user_uploads"), found.by_name.get("generations")
    if uploads and uploads.public:
        what = "the bucket user_uploads is public: anybody who learns a photo's name sees it without a key"
        findings.append(Finding(what, close.format("user_uploads")))
    if results and results.public and found.results_private:
        what = "the bucket generations is public, and RESULTS_PRIVATE is on: pictures open without a signature"
        findings.append(Finding(what, close.format("generations")))
    if results and not results.public and not found.results_private:
        what = "the bucket generations is private, and RESULTS_PRIVATE is off: no picture's address opens"
        remedy = "set RESULTS_PRIVATE=true for the intake (and for the doctor), or make the bucket public again"
        findings.append(Finding(what, remedy))
    return findings


FAMILY = Family("buckets", look, judge, lambda found: f"{len(found.by_name)} buckets: public or not, size, types")
