"""What answers mean: Business Central's error codes (fact sheet 6.2 to 6.6) and those of its token endpoint (1.2)."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from mlconnector.errors import AuthError, ConfigError, Rejected, mask_addresses
from mlconnector.http import Again, Answer, throttled, unexpected

SYSTEM = "business_central"
READS, WRITES = "D365 READ", "D365 BUS FULL ACCESS"
"""Permission sets of the base application that are enough."""
SET_SECRET = "mlconnector secrets set CONNECTION SYSTEM.client_secret"  # noqa: S105 - the command, not a secret
_SET_PASSWORD = "mlconnector secrets set CONNECTION SYSTEM.password"  # noqa: S105


class NoCompany(ConfigError):
    """The company of the address is not there."""


class NoTenant(ConfigError):
    """A multitenant server wants another tenant in the address, or wants one at all."""


class Unserved(ConfigError):
    """Nothing that speaks for Business Central answers at this address, or it is switched off there."""

    def __init__(self, message: str, *, hint: str, status: int) -> None:
        super().__init__(message, hint=hint)
        self.status = status


_CODES: Mapping[str, str] = {
    "BadRequest": "bad-request",
    "BadRequest_InvalidRequestUrl": "bad-request",
    "BadRequest_NotFound": "bad-query",
    "BadRequest_ResourceNotFound": "not-found",
    "BadRequest_InvalidOperation": "read-only-field",
    "BadRequest_InvalidToken": "missing-etag",
    "BadRequest_RequiredParamNotProvided": "missing-field",
    "BadRequest_MethodNotAllowed": "method-not-allowed",
    "BadRequest_MethodNotImplemented": "not-implemented",
    "Request_EntityChanged": "changed-meanwhile",
    "Internal_EntityWithSameKeyExists": "key-exists",
    "Internal_RecordNotFound": "related-record-not-found",
    "Internal_DataNotFoundFilter": "related-record-not-found",
    "Internal_InvalidTableRelation": "unknown-reference",
    "Application_DialogException": "business-rule",
    "Application_FieldValidationException": "missing-field",
    "Application_StringExceededLength": "too-long",
    "Application_EvaluateException": "bad-value",
    "Application_InvalidGUID": "bad-value",
    "Application_FilterErrorException": "bad-query",
    "Application_CallbackNotAllowed": "needs-confirmation",
}
"""Section 6.4: the vendor's code and ours. `not-found` alone means that the record addressed is gone."""

_STOPS: Mapping[str, tuple[type[AuthError | ConfigError], str, str]] = {
    "Authentication_InvalidCredentials": (
        AuthError,
        "the app is not set up or not enabled in this environment",
        'in Business Central open the page "Microsoft Entra applications", add the client id, set State to Enabled'
        " and assign permission sets",
    ),
    "Unauthorized": (
        AuthError,
        "the token is refused, a new one too",
        "check tenant and environment in the connection file, and that API.ReadWrite.All has admin consent in Entra",
    ),
    "NoEnvironment": (
        ConfigError,
        "there is no such environment",
        "set environment to its name in the admin centre of Business Central (and tenant to its tenant)",
    ),
    "Internal_CompanyNotFound": (
        NoCompany,
        "there is no such company",
        "set company to a company's name or id; check lists those there are",
    ),
}
_TENANT_AWAY = "Internal_TenantUnavailable"
_AGAIN_CODES = frozenset({_TENANT_AWAY, "Internal_ServerError", "Application_TooManyRequests"})
_AGAIN_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_TIMED_OUT_STATUS = frozenset({408, 504})
_NOT_EXECUTED_STATUS = frozenset({400, 429})
"""Of those that are tried again: throttled, or a tenant that is away (sections 6.4, 6.6)."""

_PASSES = re.compile(
    r"deadlock|lock time-?out|please (?:retry|try)|try again later|data upgrade must|is not accessible", re.I
)
_NO_TENANT = re.compile(
    r"tenant (?:'(?P<named>[^']*)' )?(?:was not specified|is not mounted|does not exist)", re.I
)
_PERMISSION = re.compile(r"\bpermissions?\b", re.I)
_TABLE = re.compile(
    r"TableData (?:\d+ )?(?P<table>.+?):? (?:Read|Insert|Modify|Delete|Execute)\b|permissions? to \w+ (?P<page>[^.]+)"
)
_TAIL = re.compile(r"\s+CorrelationId:\s+([0-9a-f-]{36})\.?\s*$", re.I)
_XML = re.compile(r"<(?:\w+:)?code>([^<]*)</.*?<(?:\w+:)?message[^>]*>([^<]*)<", re.S)
_VALUE = re.compile(r"\bValue: .*", re.S)
"""What was refused for its length may be somebody's name."""
_LONGEST = 300


def verdict(answer: Answer, *, login: str = "entra") -> Exception | None:
    """What an answer of the API means (sections 6.4 to 6.6): by code first, then by text, then by status.

    `login` is how the client logs in, for the remedy.
    """
    if 200 <= answer.status < 300:
        return _cut_short(answer) if answer.is_json() or not _is_no_json(answer) else None
    if answer.status == 401 and login != "entra":
        return _password_refused(answer, login)
    code, text, request_id = read_error(answer)
    if code == _TENANT_AWAY and (tenant := _NO_TENANT.search(text)):
        return _no_tenant(tenant["named"] or "", request_id)
    if answer.status in _AGAIN_STATUS or code in _AGAIN_CODES or _passes(answer, text):
        return _again(answer, code, text, request_id)
    if code in _STOPS:
        kind, message, hint = _STOPS[code]
        return kind(f"{SYSTEM}: {message} ({code})", hint=hint, request_id=request_id)
    if _lacks_permission(answer, code, text):
        return _no_permission(answer, code, text, request_id, login)
    # a field that holds something else (Blocked must be equal to 'No'): nothing is missing
    wrong = code == "Application_FieldValidationException" and "must be equal to" in text
    family = "business-rule" if wrong else _CODES.get(code, f"http-{answer.status}")
    return _by_status(answer, code) or Rejected(
        f"{SYSTEM}: {code or answer.status}: {text}",
        code="changed-meanwhile" if answer.status == 412 else family,
        answer=code or str(answer.status),
        status=answer.status,
        request_id=request_id,
    )


def read_error(answer: Answer) -> tuple[str, str, str]:
    """The vendor's code, its text without the CorrelationId, and the request id; "" for what is not there.

    Gateways answer in XML or HTML whatever was asked for (section 6.2).
    """
    code, text = _from_json(answer) if answer.body.lstrip()[:1] == b"{" else _from_xml(answer)
    tail = _TAIL.search(text)
    request_id = answer.request_id or (tail[1] if tail else "")
    return code, plain(_VALUE.sub("", _TAIL.sub("", text))), request_id


def plain(text: str) -> str:
    """A vendor's text as it may be shown: one line, not endless, without a whole e-mail address."""
    return mask_addresses(" ".join(text.split()))[:_LONGEST]


def login_verdict(answer: Answer) -> Exception | None:
    """What an answer of the token endpoint means: by `error_codes`, never by text (section 1.2)."""
    if 200 <= answer.status < 300:
        return None
    problem = answer.json()
    if not isinstance(problem, dict) or "error" not in problem:
        return _no_entra(answer)
    if answer.status == 429 or answer.status >= 500 or problem["error"] == "temporarily_unavailable":
        return _again(answer, str(problem["error"]), "", str(problem.get("trace_id", "")))
    numbers = [number for number in _list(problem.get("error_codes")) if number in _AADSTS]
    message, hint = _AADSTS[numbers[0]] if numbers else _unknown_aadsts(problem)
    number = f"AADSTS{numbers[0]}" if numbers else str(problem["error"])
    return AuthError(
        f"{SYSTEM} login: {message} ({number})",
        hint=hint,
        request_id=str(problem.get("trace_id", "")),
    )


_AADSTS: Mapping[int, tuple[str, str]] = {
    7000215: (
        "the client secret is wrong",
        "the Secret ID was probably pasted in place of its Value; Entra shows the Value only once:"
        f" make a new secret and store its Value: {SET_SECRET}",
    ),
    7000222: (
        "the client secret has expired",
        f"make a new one in Entra (Certificates & secrets) and store its Value: {SET_SECRET}",
    ),
    700016: (
        "the tenant knows no app with this client_id",
        "client_id is the Application (client) ID of the app registration; check it and tenant in the connection file",
    ),
    90002: (
        "there is no such tenant",
        "set tenant to the Directory (tenant) ID that Entra shows on the app registration's overview",
    ),
    900023: (
        "tenant is neither a tenant's id nor a domain",
        "set tenant to the Directory (tenant) ID that Entra shows on the app registration's overview",
    ),
    70011: ("the scope is not valid here", "login_url must lead to a v2.0 token endpoint of Entra ID"),
    1002012: ("the scope is not valid here", "login_url must lead to a v2.0 token endpoint of Entra ID"),
    900144: (
        "something is missing in the request",
        f"client_id in the connection file or the secret is empty: {SET_SECRET}",
    ),
    65001: (
        "nobody consented to the app",
        "in Entra, under API permissions of the app registration, grant admin consent to API.ReadWrite.All",
    ),
}


def _unknown_aadsts(problem: Mapping[str, object]) -> tuple[str, str]:
    numbers = ", ".join(f"AADSTS{number}" for number in _list(problem.get("error_codes")))
    where = str(problem.get("error_uri") or "https://login.microsoftonline.com/error")
    return f"no token is given{f', {numbers}' if numbers else ''}", f"Microsoft explains it at {plain(where)}"


def _no_entra(answer: Answer) -> Exception | None:
    """An answer without an Entra error body: what may pass is tried again, the rest is a wrong address."""
    problem = unexpected(f"{SYSTEM} login", answer)
    if isinstance(problem, Rejected | AuthError):
        return ConfigError(
            f"{SYSTEM} login: this is no token endpoint ({answer.status})",
            hint="check login_url and tenant in the connection file",
        )
    return problem


def _list(value: object) -> list[int]:
    return [one for one in value if isinstance(one, int)] if isinstance(value, list) else []


def _cut_short(answer: Answer) -> Exception | None:
    """A page that breaks off, or a gateway's page where JSON was asked for; a smaller page may come whole."""
    if answer.status == 204 or not answer.body:
        return None
    try:
        msgspec.json.decode(answer.body, type=msgspec.Raw)
    except msgspec.DecodeError:
        again = Again(f"an answer that is no JSON from {SYSTEM}", executed=True, request_id=answer.request_id)
        again.timed_out = answer.is_json()
        return again
    return None


def _from_json(answer: Answer) -> tuple[str, str]:
    data = answer.json()
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or ""), str(error.get("message") or "")


def _from_xml(answer: Answer) -> tuple[str, str]:
    found = _XML.search(answer.body[:4000].decode("utf-8", "replace"))
    return (html.unescape(found[1]).strip(), html.unescape(found[2])) if found else ("", "")


def _passes(answer: Answer, text: str) -> bool:
    """Whether a refusal says itself that it will not last: a deadlock, an upgrade that is under way."""
    return answer.status in (400, 409) and _PASSES.search(text) is not None


def _again(answer: Answer, code: str, text: str, request_id: str) -> Again:
    now = answer.date() or datetime.now(UTC)
    message = f"{code or answer.status}{f': {text}' if text else ''}"
    if answer.status == 429 or code == "Application_TooManyRequests":
        again = throttled(message, answer, now)
    else:
        # 503 is "normally not executed, verify a POST anyway" (6.6); a deadlock is verified too
        away = code == _TENANT_AWAY and answer.status in _NOT_EXECUTED_STATUS
        again = Again(message, executed=not away, after=answer.retry_after(now))
        again.throttled = answer.status == 503
    again.timed_out = answer.status in _TIMED_OUT_STATUS
    again.request_id = request_id
    return again


def _no_tenant(named: str, request_id: str) -> NoTenant:
    """Section 1.3: each call to a multitenant server names a tenant, and waiting mounts none."""
    there = "Get-NAVTenant lists those that are mounted there"
    if not named:
        return NoTenant(
            f"{SYSTEM}: this server has several tenants, and the connection file names none",
            hint=f"set server_tenant: to the tenant's name, such as default ({there})",
            request_id=request_id,
        )
    return NoTenant(
        f"{SYSTEM}: this server has no tenant {named!r}",
        hint=f"set server_tenant: to the name of another one, or have it mounted ({there})",
        request_id=request_id,
    )


def _lacks_permission(answer: Answer, code: str, text: str) -> bool:
    """Section 6.5: the status is uncertain, the family of texts is not."""
    return (
        answer.status == 403
        or code.startswith("Authorization_")
        or (answer.status in (400, 401) and _PERMISSION.search(text) is not None)
    )


def _no_permission(answer: Answer, code: str, text: str, request_id: str, login: str) -> AuthError:
    found = _TABLE.search(text)
    what = (found["table"] or found["page"]).strip() if found else ""
    who = "the app" if login == "entra" else "the user"
    page = "Microsoft Entra applications" if login == "entra" else "Users"
    right, example = ("read", READS) if answer.method == "GET" else ("write", WRITES)
    return AuthError(
        f"{SYSTEM}: {who} has no permission{f' on {what}' if what else ''} ({code or answer.status})",
        hint=f'on the page "{page}" give {who} a permission set that may {right}'
        f" {what or 'what is asked for'}, such as {example}",
        request_id=request_id,
    )


def _is_no_json(answer: Answer) -> bool:
    """A document that was asked for as such (`$metadata`), or what an older server makes of a `$batch`."""
    if answer.headers.get("Content-Type", "").lower().startswith("multipart/"):
        return answer.path.endswith("/$batch")
    return "xml" in answer.headers.get("Content-Type", "").lower() and answer.path.endswith(
        ("$metadata", "/OData/")
    )


def _password_refused(answer: Answer, login: str) -> AuthError:
    """A 401 for user and password; the server says which kind of log-in it wants (section 1.3)."""
    wants = answer.headers.get("WWW-Authenticate", "").lower()
    user, secret = "user", "password or web service access key"
    if login == "windows":
        user, secret = "user, which is written DOMAIN\\user,", "password"
    hint = f"check {user} in the connection file, and store the {secret} again: {_SET_PASSWORD}"
    if login == "basic" and "basic" not in wants and ("ntlm" in wants or "negotiate" in wants):
        hint = "the server wants Windows log-in: set login: windows"
    elif login == "windows" and "basic" in wants and "ntlm" not in wants and "negotiate" not in wants:
        hint = "the server wants user and password: set login: basic"
    elif "bearer" in wants or (not wants and read_error(answer)[0] == "Authentication_InvalidCredentials"):
        hint = f"if the server takes tokens of Entra ID (AccessControlService), set login: entra; otherwise {hint}"
    return AuthError(f"{SYSTEM}: the server refuses user and password (401)", hint=hint)


def _by_status(answer: Answer, code: str) -> Exception | None:
    """What a status means that came without a code of Business Central; 405 on a read even with one."""
    if answer.status == 401:
        kind, message, hint = _STOPS["Unauthorized"]
        return kind(f"{SYSTEM}: {message} (401)", hint=hint, request_id=answer.request_id)
    if answer.status == 405 and (answer.method == "GET" or not code):
        return Unserved(
            f"{SYSTEM}: the API is switched off at this address (405)",
            hint="on the server set ApiServicesEnabled and ODataServicesEnabled, or correct base_url",
            status=405,
        )
    if answer.status == 404 and not code:
        return Unserved(
            f"{SYSTEM}: nothing of Business Central answers at this address (404)",
            hint="check base_url in the connection file",
            status=404,
        )
    return unexpected(SYSTEM, answer) if 300 <= answer.status < 400 else None
