"""Ready mappings: which there are, how they are copied, and how a shop says what only it knows."""

from __future__ import annotations

import tomllib
from datetime import date

import pytest

from coterie.collect import shops
from coterie.collect.mapping import Mapping
from coterie.collect.shops import EXPORTED, READY, adapted, catalogue, names, ready
from coterie.errors import MappingError

VENDORS = {
    "email_events",
    "ga4_bigquery",
    "segment",
    "shopify_customers",
    "shopify_orders",
    "store_till",
    "woocommerce_orders",
}
DATA = {"cdnow", "complete_journey", "marketing_campaign", "olist_marketing_funnel", "uci_online_retail", "yoochoose"}


def test_the_catalogue_is_whole_and_says_what_each_reads_in_one_line() -> None:
    assert set(catalogue()) == set(names()) == VENDORS | DATA
    for words in catalogue().values():
        assert words.endswith(".")
        assert 20 < len(words) <= 130


@pytest.mark.parametrize("name", sorted(VENDORS | DATA))
def test_a_mapping_can_be_read_and_written(name: str) -> None:
    mapping = ready(name)
    assert mapping.reads
    assert Mapping.from_json(mapping.to_json()) == mapping
    assert Mapping.of(tomllib.loads(shops.text(name))) == mapping


@pytest.mark.parametrize("name", sorted(VENDORS))
def test_only_the_shop_can_say_why_its_customers_data_may_be_used(name: str) -> None:
    assert ready(name).lawful_basis == ()


@pytest.mark.parametrize("name", sorted(DATA))
def test_published_data_say_why_they_may_be_used(name: str) -> None:
    assert all(words.startswith("legitimate interest: the data are published") for _, words in ready(name).lawful_basis)
    assert ready(name).lawful_basis


def test_files_that_a_package_brings_are_found() -> None:
    assert set(READY) == {"complete_journey"}
    mapping, folder = READY["complete_journey"]()
    assert mapping == ready("complete_journey")
    assert (folder / "transactions.parquet").exists()


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(MappingError) as caught:
        ready("shopify_order")
    assert "shopify_orders" in str(caught.value.hint)
    with pytest.raises(MappingError, match="no ready mapping 'secrets/"):
        ready("secrets/keys")


def test_what_the_shop_says_goes_before_and_the_rest_stays() -> None:
    mapping = ready("store_till")
    basis = {"segmentation": "contract: the loyalty programme"}
    told = adapted(mapping, source="tills", lawful_basis=basis, currency="CHF", timezone="Europe/Zurich")
    assert (told.source, told.currency, dict(told.lawful_basis)) == ("tills", "CHF", basis)
    assert {read.timezone for read in told.reads} == {"Europe/Zurich"}
    assert adapted(mapping) == mapping
    same = Mapping.of({**told.to_json(), "source": mapping.source, "lawful_basis": {}})
    assert adapted(same, timezone="UTC").reads == mapping.reads


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lawful_basis": {"fun": "contract: x"}}, "Unknown purpose 'fun'"),
        ({"currency": "euro"}, "ISO 4217"),
        ({"timezone": "Berlin"}, "IANA"),
        ({"source": " "}, "no name"),
    ],
)
def test_what_cannot_be_understood_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(MappingError, match=words):
        adapted(ready("store_till"), **wrong)  # type: ignore[arg-type]


def test_a_snapshot_needs_the_day_of_its_export() -> None:
    mapping = ready("shopify_customers")
    with pytest.raises(MappingError) as caught:
        adapted(mapping)
    assert "--exported" in str(caught.value.hint)
    for day in ("2026-03-01", date(2026, 3, 1)):
        dated = adapted(mapping, exported=day)
        assert {dict(read.fields)["occurred_at"].value for read in dated.reads} == {"2026-03-01"}
    with pytest.raises(MappingError, match="like 2026-03-01"):
        adapted(mapping, exported="1/3/2026")
    assert all(dict(read.fields)["occurred_at"].value == EXPORTED for read in mapping.reads)


def test_times_that_are_missing_are_asked_for_and_never_invented() -> None:
    read = {
        "file": "view_ecommerce.dat",
        "to": "event",
        "kind": "Product Viewed",
        "identify": {"anonymous_id": "visitorid"},
        "fields": {"product_id": "itemid"},
    }
    with pytest.raises(MappingError) as caught:
        Mapping.of({"source": "retailrocket", "read": [read]})
    assert "'occurred_at'" in caught.value.message
    assert "occurred_at" in str(caught.value.hint)
