"""Which request goes where in the emulated Pipedrive, what it costs and which scopes allow it (fact sheet 1.3, 8.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import mlconnector.systems.pipedrive.emulator_definitions as fields
import mlconnector.systems.pipedrive.emulator_parts as parts
import mlconnector.systems.pipedrive.emulator_records as records
import mlconnector.systems.pipedrive.emulator_sales as sales
import mlconnector.systems.pipedrive.emulator_search as search
import mlconnector.systems.pipedrive.emulator_v1 as v1
from mlconnector.systems.pipedrive.emulator_errors import gateway
from mlconnector.systems.pipedrive.emulator_visit import Answer, Visit

PLURAL = {"deal": "deals", "person": "persons", "organization": "organizations", "product": "products"}
AREA = {"deal": "deals", "person": "contacts", "organization": "contacts", "product": "products"}
V2, V1 = "/api/v2", "(?:/api)?/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a path: what it costs, the scopes of which one is needed (none: `base`), who answers."""

    method: str
    path: re.Pattern[str]
    cost: int
    scopes: frozenset[str]
    answer: Callable[[Visit], Answer]
    status: int = 200
    is_search: bool = False


def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """The route and the names in the path; 404 for no such path, 405 for no such method of it."""
    known = False
    for route in ROUTES:
        if found := route.path.fullmatch(path):
            if route.method == method:
                return route, found.groups()
            known = True
    raise gateway(405 if known else 404)


def _path(base: str, path: str) -> re.Pattern[str]:
    """`{id}` is a number, `{code}` anything."""
    return re.compile(base + path.replace("{id}", r"(\d{1,18})").replace("{code}", r"([^/]+)"))


def _v2(
    call: str,
    cost: int,
    scopes: Iterable[str],
    answer: Callable[[Visit], Answer],
    status: int = 200,
    *,
    is_search: bool = False,
) -> Route:
    method, path = call.split()
    return Route(method, _path(V2, path), cost, frozenset(scopes), answer, status, is_search)


def _v1(call: str, cost: int, scopes: Iterable[str], answer: Callable[[Visit], Answer]) -> Route:
    method, path = call.split()
    return Route(method, _path(V1, path), cost, frozenset(scopes), answer)


def _reading(kind: str) -> tuple[str, str]:
    return f"{AREA[kind]}:read", f"{AREA[kind]}:full"


def _of_records(kind: str) -> Iterator[Route]:
    name, read, full = PLURAL[kind], _reading(kind), (f"{AREA[kind]}:full",)
    created = 201 if kind == "product" else 200
    yield _v2(f"GET /{name}", 10, read, partial(records.list_records, kind=kind))
    yield _v2(f"POST /{name}", 5, full, partial(records.create_record, kind=kind), created)
    yield _v2(f"GET /{name}/{{id}}", 1, read, partial(records.get_record, kind=kind))
    yield _v2(f"PATCH /{name}/{{id}}", 5, full, partial(records.change_record, kind=kind))
    yield _v2(f"DELETE /{name}/{{id}}", 3, full, partial(records.delete_record, kind=kind))
    searching = (*read, "search:read")
    answer = partial(search.search_entity, kind=kind)
    yield _v2(f"GET /{name}/search", 20, searching, answer, is_search=True)


def _of_fields(kind: str) -> Iterator[Route]:
    name, area = f"{kind}Fields", AREA[kind].removesuffix("s")
    own = ("products:full", "product-fields:full") if kind == "product" else ("admin", f"{area}-fields:full")
    read, choose = (*_reading(kind), *own), (f"{AREA[kind]}:full", *own)
    yield _v2(f"GET /{name}", 10, read, partial(fields.list_fields, kind=kind))
    yield _v2(f"POST /{name}", 5, own, partial(fields.create_field, kind=kind))
    yield _v2(f"GET /{name}/{{code}}", 1, read, partial(fields.get_field, kind=kind))
    yield _v2(f"PATCH /{name}/{{code}}", 5, choose, partial(fields.change_field, kind=kind))
    yield _v2(f"DELETE /{name}/{{code}}", 3, own, partial(fields.delete_field, kind=kind))
    yield _v2(f"POST /{name}/{{code}}/options", 5, choose, partial(fields.add_options, kind=kind))
    yield _v2(f"PATCH /{name}/{{code}}/options", 5, choose, partial(fields.change_options, kind=kind))
    yield _v2(f"DELETE /{name}/{{code}}/options", 3, choose, partial(fields.delete_options, kind=kind))
    yield _v1(f"GET /{name}", 20, read, partial(fields.list_fields_v1, kind=kind))


def _of_parts() -> Iterator[Route]:
    """Lines and discounts of deals, variations of products."""
    deals, products = _reading("deal"), _reading("product")
    writing = ("deals:full", "products:full")
    line, discount, variation = (
        "/deals/{id}/products/{id}",
        "/deals/{id}/discounts/{code}",
        "/products/{id}/variations/{id}",
    )
    yield _v2("GET /deals/archived", 20, deals, partial(records.list_records, kind="deal", archived=True))
    yield _v2("GET /deals/products", 10, (*deals, *products), parts.lines_of_deals)
    yield _v2("GET /deals/{id}/products", 10, (*deals, *products), parts.lines_of_deal)
    yield _v2("POST /deals/{id}/products", 5, writing, parts.add_line, 201)
    yield _v2("POST /deals/{id}/products/bulk", 25, writing, parts.add_lines, 201)
    yield _v2(f"PATCH {line}", 5, writing, parts.change_line)
    yield _v2(f"DELETE {line}", 3, writing, parts.remove_line)
    yield _v2("DELETE /deals/{id}/products", 15, writing, parts.remove_lines)
    yield _v2("GET /deals/{id}/discounts", 10, deals, parts.list_discounts)
    yield _v2("POST /deals/{id}/discounts", 5, ("deals:full",), parts.add_discount, 201)
    yield _v2(f"PATCH {discount}", 5, ("deals:full",), parts.change_discount)
    yield _v2(f"DELETE {discount}", 3, ("deals:full",), parts.remove_discount)
    yield _v2("POST /products/{id}/duplicate", 5, products[1:], parts.duplicate_product, 201)
    yield _v2("GET /products/{id}/variations", 10, products, parts.list_variations)
    yield _v2("POST /products/{id}/variations", 5, products[1:], parts.add_variation, 201)
    yield _v2(f"PATCH {variation}", 5, products[1:], parts.change_variation)
    yield _v2(f"DELETE {variation}", 3, products[1:], parts.remove_variation)


def _of_the_rest() -> Iterator[Route]:
    deals = (*_reading("deal"), "admin")
    yield _v2("GET /pipelines", 5, deals, sales.list_pipelines)
    yield _v2("GET /pipelines/{id}", 1, deals, sales.get_pipeline)
    yield _v2("GET /stages", 5, deals, sales.list_stages)
    yield _v2("GET /stages/{id}", 1, deals, sales.get_stage)
    yield _v2("GET /itemSearch", 20, ("search:read",), search.search_items, is_search=True)
    yield _v2("GET /itemSearch/field", 20, ("search:read",), search.search_field, is_search=True)
    yield _v1("GET /users", 20, ("users:read",), v1.list_users)
    yield _v1("GET /users/me", 2, (), v1.get_me)
    yield _v1("GET /currencies", 20, (), v1.list_currencies)
    yield _v1("GET /recents", 20, ("recents:read", "search:read"), v1.list_recents)
    for kind in ("person", "organization"):
        call = f"PUT /{PLURAL[kind]}/{{id}}/merge"
        yield _v1(call, 40, ("contacts:full",), partial(v1.merge, kind=kind))
    twins = f"/(?:{'|'.join(PLURAL.values())}|activities|pipelines|stages|itemSearch)(?:/.*)?"
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        yield _v1(f"{method} {twins}", 0, (), v1.retired)


ROUTES: tuple[Route, ...] = (
    *(route for kind in PLURAL for route in _of_records(kind)),
    *_of_parts(),
    *(route for kind in PLURAL for route in _of_fields(kind)),
    *_of_the_rest(),
)
