"""Calls to a server of Business Central or NAV and nothing else (apis/business-central.md); see verdict.py too."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from functools import cached_property, partial
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from mlconnector.auth import Token, Windows, basic
from mlconnector.errors import AuthError, ConfigError, ConnectorError, Rejected
from mlconnector.http import Answer, Credentials, Http, Limits
from mlconnector.model import Tools
from mlconnector.systems.business_central import Settings
from mlconnector.systems.business_central.dialects import dialect_of, is_guid, quoted
from mlconnector.systems.business_central.offers import instead
from mlconnector.systems.business_central.verdict import (
    SET_SECRET,
    SYSTEM,
    NoCompany,
    NoTenant,
    Unserved,
    login_verdict,
    plain,
    verdict,
)

Row = TypeVar("Row")
SCOPE = "https://api.businesscentral.dynamics.com/.default"
SMALL_PAGE = 100
URL_LENGTH = 1800
PATIENCE_SECONDS = 600.0
"""Posting and batches may take eight minutes, and the gateway waits for ten (sections 6.1, 6.6)."""

_HEADERS: Mapping[str, str] = {"Accept": "application/json", "Accept-Language": "en-US"}
_IN_KEYS = "'"


class Page(msgspec.Struct):
    """One answer of a list (section 3.4); the records stay undecoded, so that a broken one spoils itself only."""

    value: list[msgspec.Raw]
    next: str | None = msgspec.field(name="@odata.nextLink", default=None)


class Company(msgspec.Struct):
    """Section 2.1, as much as is needed."""

    id: str
    name: str = ""
    displayName: str = ""
    systemVersion: str = ""

    def called(self) -> str:
        """The name and, where it says more, the display name."""
        other = self.displayName not in ("", self.name)
        return f"{self.name} ({self.displayName})" if other else self.name


@dataclass(frozen=True, slots=True)
class Part:
    """One call of its own, or one of several in a `$batch`. `url` is one of `Api.address`; `etag` goes as If-Match."""

    method: str
    url: str
    body: Mapping[str, Any] | None = None
    etag: str = ""

    @property
    def repeatable(self) -> bool:
        """Doing it twice does no harm: a change that names the state it begins with fails then (section 6.6)."""
        return self.method != "POST" and (self.method != "PATCH" or self.etag not in ("", "*"))

    @property
    def headers(self) -> dict[str, str]:
        """What reads from the primary and, where there is an etag, writes only what was seen (3.5, 4.2)."""
        headers = {**_HEADERS, "Data-Access-Intent": "ReadWrite"}
        return {**headers, "If-Match": self.etag} if self.etag else headers

    def json(self) -> msgspec.Raw | None:
        """The body with amounts as JSON numbers."""
        return None if self.body is None else msgspec.Raw(_NUMBERS.encode(self.body))


class _PageCompany(msgspec.Struct, rename="pascal"):
    """A company as published pages list it."""

    name: str
    id: str = ""
    display_name: str = msgspec.field(name="Display_Name", default="")


class _Information(msgspec.Struct):
    currencyCode: str = ""


_NUMBERS = msgspec.json.Encoder(decimal_format="number")
_PAGE = msgspec.json.Decoder(Page)
RECORD: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
"""A record as it came, amounts as `Decimal`."""
_COMPANY = msgspec.json.Decoder(Company)
_PAGE_COMPANY = msgspec.json.Decoder(_PageCompany)
_INFORMATION = msgspec.json.Decoder(_Information)


class Api:
    """One company of one environment. May be used from several threads at once."""

    def __init__(self, settings: Settings, secrets: Mapping[str, str], tools: Tools) -> None:
        self._settings = settings
        self._named = tools.named
        self.dialect = dialect_of(settings)
        self._secret = secrets.get("client_secret", "")
        self._lock = threading.Lock()
        self._company_id = settings.company.lower() if is_guid(settings.company) else ""
        self._login = Http(f"{SYSTEM} login", token_url(settings), login_verdict, tools)
        self._credentials = self._signed_by(secrets, tools)
        windows = settings.login == "windows"  # its handshake belongs to one connection
        self._http = Http(
            SYSTEM,
            service_url(settings),
            partial(verdict, login=settings.login),
            tools,
            credentials=self._credentials,
            limits=Limits(parallel=1 if windows else settings.parallel, per_second=settings.per_second),
            ca_bundle=settings.ca_bundle,
        )

    def _signed_by(self, secrets: Mapping[str, str], tools: Tools) -> Credentials:
        login, password = self._settings.login, secrets.get("password", "")
        if login == "entra":
            return Token(self._fetch_token, tools.now)
        return (Windows if login == "windows" else basic)(self._settings.user, password)

    def sign_in(self) -> None:
        """Gets a token unless there is one; AuthError or ConfigError with the remedy, Later if Entra is down.

        Who logs in with a password is looked at with the first call.
        """
        self._credentials.header()

    def get(
        self, url: str, *, page_size: int = SMALL_PAGE, primary: bool = False, timeouts: int | None = None
    ) -> Answer:
        """One GET of an address of `address`, or of a link that stood in an answer.

        The page size goes along each time, since links do not hold it (trap T24). `primary` reads what was just
        written, not a replica (section 3.5). `timeouts` and what is raised are those of `Http.send`.
        """
        headers = {**_HEADERS, "Prefer": f"odata.maxpagesize={page_size}"}
        if primary:
            headers["Data-Access-Intent"] = "ReadWrite"
        return self._http.send("GET", self._of_tenant(url), headers=headers, timeouts=timeouts)

    def send(self, part: Part) -> Answer:
        """One call; a POST is never repeated without a clear answer. Raises what `Http.send` does."""
        return self._http.send(
            part.method,
            self._of_tenant(part.url),
            json=part.json(),
            headers=part.headers,
            repeatable=part.repeatable,
            read_timeout=PATIENCE_SECONDS if part.method == "POST" else None,
        )

    def send_batch(self, parts: Sequence[Part]) -> Answer:
        """Up to 100 calls in one, each of them carried out whatever comes of the others (section 4.6)."""
        requests = [
            {
                "method": part.method,
                "id": str(number),
                "url": part.url.removeprefix(f"{self._http.base_url}/"),
                "headers": part.headers | ({"Content-Type": "application/json"} if part.body else {}),
                **({"body": part.json()} if part.body is not None else {}),
            }
            for number, part in enumerate(parts, 1)
        ]
        return self._http.send(
            "POST",
            self._of_tenant(f"{self._http.base_url}/$batch"),
            json={"requests": requests},
            headers={**_HEADERS, "Data-Access-Intent": "ReadWrite", "Prefer": "odata.continue-on-error"},
            repeatable=all(part.repeatable for part in parts),
            read_timeout=PATIENCE_SECONDS if any(part.method != "GET" for part in parts) else None,
        )

    @cached_property
    def takes_batches(self) -> bool:
        """Whether the server answers a `$batch` in JSON; found out once, with a call that changes nothing."""
        return self.try_batch([Part("GET", f"{self._http.base_url}/{self._company()}")]) is not None

    @property
    def knows_batches(self) -> bool:
        """Whether that was found out."""
        return "takes_batches" in self.__dict__

    def try_batch(self, parts: Sequence[Part]) -> Answer | None:
        """A `$batch` of reads; None if the server has none in JSON, which is remembered."""
        try:
            answer = self.send_batch(parts)
        except (Rejected, ConfigError):
            self.takes_batches = False
            return None
        self.takes_batches = answer.is_json()
        return answer if self.takes_batches else None

    def judge(self, answer: Answer) -> Exception | None:
        """What an answer means that came as a part of another one."""
        return verdict(answer, login=self._settings.login)

    def _of_tenant(self, url: str) -> str:
        """A multitenant server wants its tenant in each address (section 1.3)."""
        tenant = self._settings.server_tenant
        if not tenant or re.search(r"[?&]tenant=", url):
            return url
        return f"{url}{'&' if '?' in url else '?'}tenant={quote(tenant, safe='')}"

    def read(self, url: str, **how: Any) -> Answer:
        """`get`, of what concerns no single record: if it is refused nothing can go on.

        ConfigError says what this server does not have (the interface, the company), and what it has instead.
        """
        try:
            return self.get(url, **how)
        except (Rejected, ConfigError) as error:
            raise self._explained(error) from None

    def companies(self) -> tuple[list[Company], Answer]:
        """All companies that the app may see (section 2.1), and the last answer (its Date is the server's clock)."""
        try:
            return self._list_companies()
        except (Rejected, Unserved) as error:
            raise instead(self, error) or _final(error) from None

    def _list_companies(self) -> tuple[list[Company], Answer]:
        found: list[Company] = []
        link: str | None = "/Company" if self.dialect.pages else "/companies"
        while link:
            answer = self.get(link)
            page = read_page(answer)
            found += [self._company_row(raw, answer) for raw in page.value]
            link = page.next
        return found, answer

    def _company_row(self, raw: msgspec.Raw, answer: Answer) -> Company:
        if not self.dialect.pages:
            return decode_row(_COMPANY, raw, answer)
        row = decode_row(_PAGE_COMPANY, raw, answer)
        return Company(row.id, row.name, row.display_name)

    def wrong_company(self, *, to_the_letter: bool = False) -> ConfigError | None:
        """What is wrong with the company of the settings, and which there are; None if nothing is, or none are told.

        Pages go by the name alone; whether letter case counts there is seen by asking (`to_the_letter`: it did).
        """
        try:
            companies = self._list_companies()[0]
        except ConnectorError:
            return None
        wanted = self._settings.company
        if self.dialect.pages:
            spell = str if to_the_letter else str.lower
            known = {spell(one.name) for one in companies}
            return None if spell(wanted) in known else no_such_company(companies, wanted)
        try:
            choose_company(companies, wanted)
        except ConfigError as error:
            return error
        return None

    def _explained(self, error: Rejected | ConfigError) -> ConfigError:
        if isinstance(error, ConfigError) and not isinstance(error, Unserved | NoCompany):
            return error
        missing = None if isinstance(error, NoCompany) else instead(self, error)
        return missing or self.wrong_company(to_the_letter=True) or _final(error)

    def company_id(self) -> str:
        """The id of the company in the settings, asked for once if they hold a name."""
        with self._lock:
            if not self._company_id:
                self._company_id = choose_company(self.companies()[0], self._settings.company).id.lower()
            return self._company_id

    def place(self) -> str:
        """What no other company has: a copied environment keeps the ids of its companies."""
        return f"{self._settings.environment.strip().lower()}/{self.company_id()}"

    def local_currency(self) -> str:
        """The company's own currency (section 2.7, companyInformation)."""
        answer = self.get(self.address("companyInformation", {}))
        rows = read_page(answer).value
        return decode_row(_INFORMATION, rows[0], answer).currencyCode if rows else ""

    def address(self, entity_set: str, options: Mapping[str, str], id: str = "") -> str:
        """The absolute URL of a list, or of one record, of the company."""
        key = f"({quote(self.dialect.literal(id), safe=_IN_KEYS)})" if id else ""
        query = "&".join(f"{name}={quote(value, safe='$,():=')}" for name, value in options.items() if value)
        path = f"{self._http.base_url}/{self._company()}/{entity_set}{key}"
        return f"{path}?{query}" if query else path

    def _company(self) -> str:
        if self.dialect.pages:
            return f"Company({quote(quoted(self._settings.company), safe=_IN_KEYS)})"
        return f"companies({self.company_id()})"

    def metadata(self) -> Answer:
        """What the interface says of itself, in XML; ConfigError if the server does not have it."""
        try:
            return self._get_document("/$metadata")
        except (Rejected, Unserved) as error:
            raise instead(self, error) or _final(error) from None

    def _get_document(self, url: str) -> Answer:
        return self._http.send("GET", self._of_tenant(url), headers={"Accept": "*/*"})

    def knows_instance(self) -> bool:
        """Whether the address of the server is known, and not only that of one interface."""
        return self._http.base_url.endswith(self.dialect.path)

    def address_for(self, path: str) -> str:
        """What else has to be written for another interface: the address, where base_url leads to one itself."""
        instance = self._http.base_url.removesuffix(self.dialect.path)
        is_named = self._settings.base_url.rstrip("/").endswith(self.dialect.path)
        return f" and base_url: {instance}{path}" if is_named else ""

    def serves(self, path: str) -> bool:
        """Whether somebody answers at an address below the server, were it to ask who is there."""
        try:
            self._get_document(f"{self._http.base_url.removesuffix(self.dialect.path)}{path}/")
        except (AuthError, NoTenant):
            return True
        except ConnectorError:
            return False
        return True

    def usage(self) -> dict[str, int]:
        """Calls, retries and throttled answers, those for tokens included."""
        both = (self._http.usage, self._login.usage)
        return {name: sum(getattr(one, name) for one in both) for name in ("calls", "retries", "throttled")}

    def close(self) -> None:
        """Closes the pooled connections."""
        self._http.close()
        self._login.close()

    def _fetch_token(self) -> tuple[str, int]:
        """Section 1.2; `expires_in` is text at older endpoints."""
        if not self._secret:
            raise ConfigError(f"{SYSTEM}: no client secret is stored", hint=self._named(f"run: {SET_SECRET}"))
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._secret,
            "scope": SCOPE,
        }
        answer = self._login.send(
            "POST", "", form=form, headers={"Accept": "application/json"}, repeatable=True
        )
        found = answer.json()
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token:
            raise ConfigError(f"{SYSTEM} login: an answer without a token", hint="check login_url")
        return token, _seconds(found.get("expires_in"))


def service_url(settings: Settings) -> str:
    """Where the interface begins (sections 1.1, 1.3): a URL that says it, an instance of one's own, or online."""
    url, end = settings.base_url.rstrip("/"), dialect_of(settings).path
    path = urlsplit(url).path
    if "/api/" in path or path.endswith("/ODataV4"):
        return url
    if settings.login != "entra":
        return f"{url}{end}"
    root = url if path.endswith("/v2.0") else f"{url}/v2.0"
    return f"{root}/{quote(settings.tenant, safe='')}/{quote(settings.environment, safe='')}{end}"


def instance_url(settings: Settings) -> str:
    """The instance, or the environment, that the interface belongs to."""
    return service_url(settings).removesuffix(dialect_of(settings).path)


def token_url(settings: Settings) -> str:
    """The token endpoint (section 1.2): from the host alone, or a URL that ends in /token."""
    url = settings.login_url.rstrip("/")
    return url if url.endswith("/token") else f"{url}/{quote(settings.tenant, safe='')}/oauth2/v2.0/token"


def choose_company(companies: Collection[Company], wanted: str) -> Company:
    """The company of that id, name or display name, letter case aside; ConfigError if it is none or several."""
    low = wanted.strip().lower()
    for field in ("id", "name", "displayName"):
        hits = [one for one in companies if getattr(one, field).lower() == low]
        if len(hits) == 1:
            return hits[0]
        if hits:
            ids = ", ".join(f"{one.id} ({one.name})" for one in hits)
            raise ConfigError(
                f"{SYSTEM}: {len(hits)} companies are called {wanted!r}",
                hint=f"set company to one of these ids: {ids}",
            )
    if not companies:
        raise ConfigError(
            f"{SYSTEM}: the app may not see any company",
            hint='on the page "Microsoft Entra applications" give the app permission sets in the company',
        )
    raise no_such_company(companies, wanted)


def no_such_company(companies: Collection[Company], wanted: str) -> ConfigError:
    """Names those there are, what was probably meant first."""
    low = wanted.strip().lower()

    def unlike(one: Company) -> float:
        return -max(SequenceMatcher(None, low, name.lower()).ratio() for name in (one.name, one.displayName))

    names = ", ".join(one.called() for one in sorted(companies, key=lambda one: (unlike(one), one.name)))
    return ConfigError(f"{SYSTEM}: there is no company {wanted!r}", hint=f"set company to one of: {names}")


def _final(error: Rejected | ConfigError) -> ConfigError:
    """A refusal that concerns no single record."""
    if isinstance(error, ConfigError):
        return error
    return ConfigError(
        error.message,
        hint="run: mlconnector check, which names what this server does not have and the line that asks for it",
        request_id=error.request_id,
    )


def read_page(answer: Answer) -> Page:
    """The page in an answer; ConfigError where JSON of something else came."""
    return decode_row(_PAGE, answer.body, answer)


def decode_row(decoder: msgspec.json.Decoder[Row], raw: bytes | msgspec.Raw, answer: Answer) -> Row:
    """What the decoder makes of a part of an answer; ConfigError where something else came."""
    try:
        return decoder.decode(raw)
    except ValueError:  # another shape, or bad UTF-8
        raise ConfigError(
            f"{SYSTEM}: {plain(answer.path)} answers with something else than a list of its records",
            hint="check base_url in the connection file",
            request_id=answer.request_id,
        ) from None


def _seconds(value: object) -> int:
    """The life of a token; a short one where it is not said, so that it is renewed early rather than late."""
    try:
        return int(str(value))
    except ValueError:
        return 600
