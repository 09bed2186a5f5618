"""What Pipedrive's answers mean (fact sheet sections 1.3, 8.5 and 9)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from mlconnector.errors import AuthError, ConfigError, Later, Rejected, mask_addresses
from mlconnector.http import Again, Answer, throttled, unexpected

SYSTEM = "pipedrive"
LOG_IN_AGAIN = "run: mlconnector login"
SET_TOKEN = "mlconnector secrets set CONNECTION SYSTEM.api_token"  # noqa: S105 - a command
BLOCK = timedelta(minutes=15)
"""How long to keep away once Cloudflare answers (8.5)."""
LONGEST_BURST_SECONDS = 60.0
BURST_SECONDS = 2.0
INVALID = "ERR_SCHEMA_VALIDATION_FAILED"
_DELETED = re.compile(r"ERR_[A-Z]+_DELETED")
_NOT_EXECUTED = (429, 503)
_LONGEST = 300


class _Head(msgspec.Struct):
    success: bool = True


_HEAD = msgspec.json.Decoder(_Head)


def verdict(answer: Answer, *, login: str = "token") -> Exception | None:
    """What an answer of the API means; `login` is how the client logs in, for the remedy."""
    if 200 <= answer.status < 300:
        return _whole(answer)
    if answer.status == 403 and not answer.is_json():
        return _blocked(answer)
    if answer.status == 429 and is_daily(answer):
        return _spent(answer)
    if answer.status in _NOT_EXECUTED:
        again = throttled(f"{answer.status} from {SYSTEM}", answer, _now(answer))
        again.after = again.after if again.after is not None or answer.status == 503 else _burst(answer)
        return again
    if answer.status in (401, 402) or (answer.status == 403 and _is_scope(answer)):
        return _not_allowed(answer, login)
    if answer.status == 408 or answer.status >= 500 or 300 <= answer.status < 400:
        return unexpected(SYSTEM, answer)
    if answer.status in (405, 410):
        return ConfigError(
            f"{SYSTEM}: nothing is done at this address any more ({answer.status} at {answer.path})",
            hint="check base_url in the connection file, or install a newer mlconnector",
            request_id=request_id(answer),
        )
    return _refused(answer)


def login_verdict(answer: Answer) -> Exception | None:
    """What an answer of the OAuth server means: `invalid_grant` says that somebody has to log in again (1.3)."""
    if 200 <= answer.status < 300:
        return None
    code, text = read_error(answer)
    if answer.status == 429 or answer.status >= 500:
        return unexpected(f"{SYSTEM} login", answer)
    if code == "invalid_grant":
        message = "the log-in is not good any more (unused for 60 days, or taken back in Pipedrive)"
        return AuthError(f"{SYSTEM}: {message}", hint=LOG_IN_AGAIN)
    if code == "invalid_client":
        return AuthError(
            f"{SYSTEM} login: the client id or the client secret is wrong",
            hint="check client_id in the connection file, and store the secret anew:"
            " mlconnector secrets set CONNECTION SYSTEM.client_secret",
        )
    if not code:
        return ConfigError(
            f"{SYSTEM} login: this is no token endpoint ({answer.status})",
            hint="correct login_url in the connection file",
        )
    return AuthError(f"{SYSTEM} login: {plain(code)}: {text}", hint=LOG_IN_AGAIN)


def read_error(answer: Answer) -> tuple[str, str]:
    """The vendor's code and its text in one line; "" for what is not there (the spellings of section 9)."""
    found = answer.json()
    told: Mapping[str, object] = found if isinstance(found, dict) else {}
    message, error = told.get("message"), told.get("error")
    code = told.get("code") or (error if message else told.get("errorCode")) or ""
    return str(code), plain(str(message or error or ""))


def plain(text: str) -> str:
    """A vendor's text as it may be shown: one line, not endless, without a whole e-mail address."""
    return mask_addresses(" ".join(text.split()))[:_LONGEST]


def request_id(answer: Answer) -> str:
    """Pipedrive's id of the request, if it gave one."""
    return answer.request_id or answer.headers.get("x-correlation-id", "")


def is_daily(answer: Answer) -> bool:
    """Whether a 429 says that the day's tokens are gone, not that two seconds were too busy (8.5)."""
    if "daily" in read_error(answer)[1].lower():
        return True
    wait = answer.retry_after(_now(answer)) or 0.0
    return wait > LONGEST_BURST_SECONDS or answer.headers.get("x-daily-ratelimit-token-remaining") == "0"


def midnight_after(now: datetime) -> datetime:
    """When the day's tokens probably come back: of which time zone it is midnight then is not documented (8.2)."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _now(answer: Answer) -> datetime:
    return answer.date() or datetime.now(UTC)


def _whole(answer: Answer) -> Exception | None:
    """JSON to its end that does not say `success: false` (section 9: never rely on 200 alone)."""
    if not answer.body:
        return None
    try:
        head = _HEAD.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        again = Again(f"an answer that is no JSON from {SYSTEM}", executed=True)
        again.request_id = request_id(answer)
        return again
    return None if head.success else _refused(answer)


def _blocked(answer: Answer) -> Later:
    return Later(
        f"{SYSTEM}: Cloudflare blocks this machine for a while: a page came where an answer was expected (403)",
        hint="nothing is sent for 15 minutes; if it comes again, lower per_second in the connection file",
        retry_at=_now(answer) + BLOCK,
    )


def _spent(answer: Answer) -> Later:
    now = _now(answer)
    wait = answer.retry_after(now)
    return Later(
        f"{SYSTEM}: the company's tokens of this day are spent (429)",
        hint="the next run after they come back goes on from here; other integrations take from the same tokens",
        request_id=request_id(answer),
        retry_at=now + timedelta(seconds=wait) if wait else midnight_after(now),
    )


def _burst(answer: Answer) -> float:
    """Seconds until the window of two seconds has room again (8.4)."""
    text = answer.headers.get("x-ratelimit-reset", "")
    return min(float(text), LONGEST_BURST_SECONDS) if text.isdecimal() else BURST_SECONDS


def _is_scope(answer: Answer) -> bool:
    return "scope" in read_error(answer)[1].lower()


def _not_allowed(answer: Answer, login: str) -> AuthError:
    if answer.status == 402:
        message = "the company's account is not open (402): its trial is over, or a bill is not paid"
        hint = "settle it in Pipedrive: Company settings, Billing"
    elif answer.status == 403:
        message = "the app has no scope for this call (403)"
        hint = (
            "give the app the scopes deals:read, contacts:full, products:full and search:read in Pipedrive's"
            f" Marketplace manager, then {LOG_IN_AGAIN}"
        )
    elif login == "oauth":
        message, hint = "the access token is refused (401)", LOG_IN_AGAIN
    else:
        message = "the API token is refused (401); a new one makes the old one invalid"
        hint = f"copy it from Personal preferences, API, and run: {SET_TOKEN}"
    return AuthError(f"{SYSTEM}: {message}", hint=hint, request_id=request_id(answer))


def _refused(answer: Answer) -> Rejected:
    """This record or request is wrong; a code of Pipedrive's wins over the status."""
    code, text = read_error(answer)
    return Rejected(
        f"{SYSTEM}: {text or answer.status}",
        code=_code_of(code, answer.status),
        answer=code or str(answer.status),
        status=answer.status,
        request_id=request_id(answer),
    )


def _code_of(code: str, status: int) -> str:
    if _DELETED.fullmatch(code):
        return "record-deleted"
    if code.startswith("feature_capping"):
        return "plan-limit"
    if code == INVALID:
        return "invalid-value"
    return {404: "not-found", 403: "forbidden", 415: "feature-off"}.get(status, "refused")
