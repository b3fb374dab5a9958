"""Phone numbers as people write them are one number, of one business."""

from __future__ import annotations

from uuid import uuid4

import pytest

from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import TenantId
from coccinelle.numbers.model import normalised, phone_of, region_of, written
from coccinelle.tenants.model import Tenant

PARIS = "Europe/Paris"
ONE = "+33612345678"


@pytest.mark.parametrize(
    "said",
    [
        "06 12 34 56 78",
        "06.12.34.56.78",
        "06-12-34-56-78",
        "0612345678",
        "06\u00a012\u202f34 56 78",
        "+33 6 12 34 56 78",
        "+33 (0)6 12 34 56 78",
        "0033 6 12 34 56 78",
        "0033(0)612345678",
        " +33612345678 ",
        "(06) 12 34 56 78",
    ],
)
def test_one_number_is_one_however_it_is_written(said: str) -> None:
    assert normalised(said, timezone=PARIS) == ONE


@pytest.mark.parametrize(
    "said",
    ["", "abc", "112", "3631", "06 12", "06 12 34 56 7", "06 12 34 56 789", "0000000000"]
    + ["+999 12345678", "1" * 60]
    + ["06 12 34 56 78 poste 3", "+33612345678;ext=1", "tel:+33612345678", "06 AB CD EF GH"],
)
def test_what_cannot_be_called_is_refused(said: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalised(said, timezone=PARIS, field="phone_number")
    (error,) = refused.value.errors
    assert (error.field, error.code) == ("phone_number", "bad_phone_number")


def test_a_number_without_its_prefix_is_of_the_country_of_the_zone() -> None:
    assert normalised("02 123 45 67", timezone="Europe/Brussels") == "+3221234567"
    assert normalised("0692 12 34 56", timezone="Indian/Reunion") == "+262692123456"
    assert normalised("(415) 555-2671", timezone="America/Los_Angeles") == "+14155552671"
    assert region_of("UTC") == region_of("Nowhere/Land") == "FR"


def test_a_number_is_shown_as_people_of_its_country_write_it() -> None:
    assert written(ONE, timezone=PARIS) == "06 12 34 56 78"
    assert written(ONE, timezone="Europe/Brussels") == "+33 6 12 34 56 78"
    assert normalised(written(ONE, timezone=PARIS), timezone=PARIS) == ONE


@pytest.mark.parametrize(
    ("kept", "zone", "said"),
    [
        ("+33612345678", PARIS, "06 12 34 56 78"),
        ("+33612345678", "Europe/Brussels", "+33 6 12 34 56 78"),
        ("06 12 34 56 78", PARIS, "06 12 34 56 78"),
        ("+", PARIS, "+"),
        (None, PARIS, None),
    ],
)
def test_a_business_s_number_is_told_as_its_customers_write_it(
    kept: str | None, zone: str, said: str | None
) -> None:
    business = Tenant(
        TenantId(uuid4()), "a", "A", "x", None, kept, None, None, "fr", zone, None, None, None
    )
    assert phone_of(business) == said
