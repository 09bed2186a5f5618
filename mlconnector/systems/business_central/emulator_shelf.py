"""What a call reads: the tables of a company, or the views that an old version or a page has of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from mlconnector.systems.business_central.emulator_company import Company
from mlconnector.systems.business_central.emulator_entities import COMPANIES
from mlconnector.systems.business_central.emulator_odata import COMPANY_LIST
from mlconnector.systems.business_central.emulator_rows import Shown, Table
from mlconnector.systems.business_central.emulator_versions import Version
from mlconnector.systems.business_central.emulator_view import Place, View, ViewTable


class Shelf:
    """Keeps the views, because they keep what they made of their rows. `zone` names the server's time zone."""

    def __init__(self, companies: Table, zone: Callable[[], str]) -> None:
        self._companies = companies
        self._zone = zone
        self._views: dict[tuple[str, str, View], ViewTable] = {}

    def tables(self, company: Company | None, version: Version) -> Mapping[str, Shown]:
        """By entity set; without a company only the list of companies is there."""
        views = version.views
        if company is not None and not views:
            return company.tables
        if company is not None:
            return {
                name: self.rows_of(company, view)
                for name, view in views.items()
                if view.base is not COMPANIES
            }
        companies = self.rows_of(None, views[COMPANIES.name]) if views else self._companies
        return {
            COMPANIES.name: companies,
            COMPANY_LIST.entity.table: self.rows_of(None, COMPANY_LIST),
        }

    def rows_of(self, company: Company | None, view: View) -> ViewTable:
        """The rows of a view in a company; of the list of companies, if there is no company."""
        zone = self._zone()
        key = (company.id if company is not None else "", zone, view)
        if key not in self._views:
            tables = company.tables if company is not None else {}
            table = company.table(view.base) if company is not None else self._companies
            self._views[key] = ViewTable(view, table, Place(tables, ZoneInfo(zone)))
        return self._views[key]
