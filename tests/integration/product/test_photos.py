"""The photo that was submitted is the photo that is edited, or nothing is."""

from deploy.local.portrait import jpeg, portrait
from tests.integration.product.conftest import Gemini
from tests.support.accounts import Accounts
from tests.support.customers import Customer
from tests.support.waiting import eventually


async def ended(customer: Customer, accounts: Accounts, code: str) -> None:
    """The only generation failed like this, told once, and cost nothing."""
    listed = (await customer.intake.get("/v1/generations")).json()["generations"]
    assert [(each["status"], each["error"]["code"]) for each in listed] == [("failed", code)]
    assert await accounts.notifications(customer.id) == ["failed"]
    assert await accounts.balance(customer.id) == 10
    assert await accounts.held(customer.id) == 0


async def test_a_photo_overwritten_after_submission_ends_in_source_changed(
    customer: Customer, accounts: Accounts, gemini: Gemini
) -> None:
    path = await customer.upload("me.jpg")
    # Written but not enqueued, so that nothing runs before the photo is replaced; the sweep finds it then.
    row = await accounts.submit(customer.id, path)
    await customer.upload("me.jpg", jpeg(portrait(192, 256, seed=7)), replace=True)
    await accounts.database.execute("update public.generations set next_sweep_at = now() where id = $1", row["id"])

    async def finished() -> bool:
        answer = await customer.intake.get(f"/v1/generations/{row['id']}")
        return answer.json()["finishedAt"] is not None

    await eventually(finished)
    await ended(customer, accounts, "source_changed")
    assert await gemini.calls() == 0


async def test_a_file_that_only_says_it_is_a_photo_is_never_sent_on(
    customer: Customer, accounts: Accounts, gemini: Gemini
) -> None:
    path = await customer.upload("not-a-photo.jpg", b"<html>hello</html>" * 100)
    await customer.submit(path, wait=True)
    await ended(customer, accounts, "source_invalid")
    assert await gemini.calls() == 0
