"""The demo's chapters on Business Central and Mailchimp: what happens to whom, what is run, what must have come out."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

from mlconnector.cli.stage import Stage
from mlconnector.sandbox import Fault

CUSTOMERS, VENDORS = 120, 40
AUDIENCES = ("Customers", "Vendors")
NEW, EDITED, MOVED = 50, 40, 15
"""Customers added before the kill; customers and vendors edited before the storm (as many as the brake lets pass)."""
_OPTED_OUT = ("unsubscribed", "cleaned", "archived")


def tell(stage: Stage) -> None:
    """The whole story, and the files it leaves."""
    _opening(stage)
    for chapter in (
        _check,
        _first_sync,
        _nothing_to_do,
        _people,
        _bad_record,
        _killed,
        _storm,
        _looking_back,
        _closing,
    ):
        chapter(stage)


def _opening(stage: Stage) -> None:
    stage.say(
        f"""Two emulators run on this machine: a Business Central with {CUSTOMERS} customers and {VENDORS} vendors,
        and a Mailchimp with two audiences that some of them are members of already. Everything below is the real
        program: the emulators' addresses are in its connection file, their secrets in the environment, where a real
        connection would have them in the keyring."""
    )
    stage.show(f"$ export MLCONNECTOR_CONNECTION={shlex.quote(str(stage.file))}")


def _check(stage: Stage) -> None:
    stage.chapter("1. check")
    stage.say(
        "Before the first run: the file, the secrets, both log-ins, the company, the audiences, the fields."
    )
    stage.run("check")


def _first_sync(stage: Stage) -> None:
    stage.chapter("2. The first sync")
    stage.say(
        """Customers go into one audience, vendors into the other. Records that cannot go are put on record, each with
        its reason and the next step; they do not hold up the others. Hence the exit code 1: one record failed."""
    )
    stage.run("sync", code=1)
    stage.say(
        """Look at: C00140 has the same address as C00130, so only one of them is a member (key-taken). Somebody
        archived the member of 50000, and it stays archived. example.com is refused by Mailchimp (fake-address)."""
    )
    stage.expect("whoever had unsubscribed, bounced or was archived stands as before", not turned_back(stage))


def _nothing_to_do(stage: Stage) -> None:
    stage.chapter("3. A run with nothing to do")
    before, written_to = stage.requests, stage.mail.requests_seen
    stage.say(
        "What cron does every ten minutes. When nothing changed, nothing is printed and no mail is sent."
    )
    printed = stage.run("sync", cron=True)
    stage.expect(
        f"it printed nothing and made {stage.requests - before} requests, none of them to Mailchimp",
        printed == "" and stage.mail.requests_seen == written_to,
    )


def _people(stage: Stage) -> None:
    stage.chapter("4. People do things, on both sides")
    erp, mail = stage.erp, stage.mail
    mail.person_unsubscribes("Customers", "robert.townes@contoso.com")
    mail.archive("Customers", "helen.ray@contoso.com")
    erp.edit("customers", "10000", displayName="Adatum Holding plc")
    erp.edit("customers", "20000", phoneNumber="+44 20 5550199")
    erp.edit("customers", "C00060", email="buero@mueller.contoso.com")
    erp.add("customers", number="60000", displayName="Litware AB", email="ida.lind@litware.contoso.com")
    erp.touch_balance("30000", "750")
    stage.say(
        """In Mailchimp the contact of customer 10000 clicks on unsubscribe, and a colleague archives that of 20000. In
        the ERP 10000 gets another name, 20000 another phone number, C00060 another e-mail address, 60000 is new, and
        an invoice is posted to 30000."""
    )
    stage.run("sync")
    robert = mail.member("Customers", "robert.townes@contoso.com") or {}
    helen = mail.member("Customers", "helen.ray@contoso.com") or {}
    stage.expect(
        f"10000 has its new name and is still {robert.get('status')}",
        robert.get("status") == "unsubscribed" and robert["merge_fields"]["COMPANY"] == "Adatum Holding plc",
    )
    stage.expect(f"20000 is still {helen.get('status')}", helen.get("status") == "archived")
    stage.expect(
        "C00060 is the same member under its new address, not a second one",
        _has(stage, "buero@mueller.contoso.com") and not _has(stage, "einkauf@mueller.contoso.com"),
    )
    stage.expect("60000 is a member", _has(stage, "ida.lind@litware.contoso.com"))
    stage.say(
        "The invoice moved a balance but not the ERP's time stamp. A full read, once a night, finds it:"
    )
    stage.run("sync", "--full", "--flow", "customers_to_members")
    meagan = mail.member("Customers", "meagan.bond@contoso.com") or {"merge_fields": {}}
    stage.expect("30000 has its new balance", meagan["merge_fields"].get("BALANCE") == 750)


def _bad_record(stage: Stage) -> None:
    stage.chapter("5. The bad record")
    stage.say(
        "C00240 failed in the first sync. Somebody corrects its address in the ERP; that is all it takes."
    )
    stage.erp.edit("customers", "C00240", email="office@proseware.contoso.com")
    stage.run("sync")
    stage.expect("C00240 is a member", _has(stage, "office@proseware.contoso.com"))


def _killed(stage: Stage) -> None:
    stage.chapter("6. kill -9 in the middle of a sync")
    stage.say(
        f"""{NEW} new customers. Mailchimp takes the first chunk and is slow with the others (it will apply them after
        all, and nobody will be there to hear of it); at that moment the process is killed."""
    )
    for number in range(NEW):
        stage.erp.add(
            "customers",
            number=f"N{number:05}",
            displayName=f"Northwind {number}",
            email=f"shop.{number}@northwind.contoso.com",
        )
    slow = stage.mail.fault("slow", method="POST", path=r"/lists/\w+$", times=0, skip=1, seconds=0.8)
    stage.kill("sync", when=lambda: slow.hits, and_then=0.2)
    stage.mail.faults.clear()
    counts = stage.ask("status")["flows"][0]["counts"]
    stage.say(
        f"""The state file knows what was on its way: {counts.get("sending", 0)} records are marked as sending. The next
        run settles them first and then goes on."""
    )
    stage.run("sync")
    there = sum("northwind" in str(member["email_address"]) for member in stage.mail.members("Customers"))
    stage.expect(
        f"of {NEW} new customers {there} are members, each once", there == NEW and not doubles(stage)
    )


def _storm(stage: Stage) -> None:
    stage.chapter("7. A storm")
    faults = _raise_storm(stage)
    stage.say(
        f"""{EDITED} customers are renamed and {MOVED} vendors get another phone number. One more customer is new, whose
        address joined so many lists today that Mailchimp refuses it. And both systems have a bad day:"""
    )
    stage.run("sync", code=1)
    stage.lines([(_words(fault), f"struck {fault.hits} time") for fault in faults])
    stage.expect("every fault struck", all(fault.hits for fault in faults))
    stage.expect("all edits arrived all the same, nobody twice", _all_renamed(stage) and not doubles(stage))
    stage.mail.faults.clear()
    stage.erp.faults.clear()
    stage.mail.too_many_signups("fair@litware.contoso.com", on=False)
    stage.say(
        """70000 would be tried again tomorrow by itself. But the newsletter goes out today, and Mailchimp has lifted
        its limit: what failed is fetched again from the ERP and sent now."""
    )
    stage.run("replay", "--failed")
    stage.expect("it is a member now", _has(stage, "fair@litware.contoso.com"))


def _raise_storm(stage: Stage) -> list[Fault]:
    erp, mail = stage.erp, stage.mail
    for row in erp.rows("customers")[-EDITED:]:
        erp.edit("customers", row["number"], displayName=f"{row['displayName']} (renamed)")
    for place, row in enumerate(erp.rows("vendors")[-MOVED:]):
        erp.edit("vendors", row["number"], phoneNumber=f"+49 711 5550{place:03}")
    erp.add("customers", number="70000", displayName="Litware Fair", email="fair@litware.contoso.com")
    mail.too_many_signups("fair@litware.contoso.com")
    posts = {"method": "POST", "path": r"/lists/\w+$"}
    return [
        erp.fault("status", path="/customers", status=429, retry_after=1),
        erp.fault("expired-token", path="/customers"),
        erp.fault("cut", path="/customers"),
        erp.fault("html", path="/vendors", status=502),
        mail.fault("status", path="/merge-fields", status=429),
        mail.fault("lost-answer", **posts),
        mail.fault("status", status=503, retry_after=1, **posts),
        mail.fault("duplicate", **posts),
        mail.fault("cut", **posts),
    ]


def _words(fault: Fault) -> str:
    where = "Business Central" if fault.path in ("/customers", "/vendors") else "Mailchimp"
    answer = (
        f"{fault.status} with Retry-After"
        if fault.retry_after is not None
        else f"{fault.status} without Retry-After"
    )
    words = {
        "status": answer,
        "html": f"{fault.status} as an HTML page",
        "lost-answer": "the write was applied, its answer got lost",
        "cut": "half of the answer",
        "duplicate": "a write was delivered twice",
        "expired-token": "all tokens have expired",
    }
    return f"{where}: {words[fault.kind]}"


def _looking_back(stage: Stage) -> None:
    stage.chapter("8. Looking back")
    stage.say("How each flow stands and what waits for whom:")
    stage.run("status")
    stage.say(
        "Everything about one record: why it is where it is, and every attempt with the vendor's request id."
    )
    stage.run("explain", "10000", "--flow", "customers_to_members")
    stage.say("And all runs; the one without an end was killed.")
    stage.run("history")


def _closing(stage: Stage) -> None:
    stage.chapter("The proof, from the emulators' own books")
    for name in AUDIENCES:
        counts = Counter(str(member["status"]) for member in stage.mail.members(name))
        members = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        stage.lines([(f"members of {name}", members)])
    left_out = sum(flow["counts"].get("skipped", 0) for flow in stage.ask("status")["flows"])
    records = len(stage.erp.rows("customers")) + len(stage.erp.rows("vendors"))
    good = sum(len(up_to_date(stage, entity, tag, name)) for entity, tag, name in _PAIRS)
    stage.lines(
        [
            ("records in the ERP", records),
            ("up to date in Mailchimp", good),
            ("left out with a reason on record", left_out),
            ("duplicates", len(doubles(stage))),
            ("opt-outs turned back", len(turned_back(stage))),
            ("requests made", stage.requests),
        ]
    )
    stage.expect(
        "every record is up to date or left out for a reason that is on record", good + left_out == records
    )
    stage.expect("no duplicates", not doubles(stage))
    stage.expect("no opt-out was turned back", not turned_back(stage))
    _leave_files(stage)
    stage.show()
    stage.say(
        f"""The story took {stage.seconds:.1f} s. Its files are kept in {stage.folder}: the connection file, the state,
        every request that was made, and the members as they stand at the end. Look around, and try it yourself:"""
    )
    stage.show(f"  mlconnector -c {shlex.quote(str(stage.file))} status")
    stage.show("  mlconnector sandbox")


_PAIRS = (("customers", "CUSTNO", "Customers"), ("vendors", "VENDNO", "Vendors"))


def up_to_date(stage: Stage, entity: str, tag: str, audience: str) -> set[str]:
    """Numbers of the records whose member has their name and phone number as they are now."""
    there = {_seen(member["merge_fields"], tag) for member in stage.mail.members(audience)}
    rows = stage.erp.rows(entity)
    return {row["number"] for row in rows if (row["number"], *_spelled(row)) in there}


def _seen(values: dict[str, Any], tag: str) -> tuple[str, str, str]:
    return str(values.get(tag, "")), str(values.get("COMPANY", "")), str(values.get("PHONE", ""))


def _spelled(row: dict[str, Any]) -> tuple[str, str]:
    return str(row["displayName"]).strip(), str(row["phoneNumber"]).strip()


def doubles(stage: Stage) -> list[str]:
    """Numbers that more than one member of an audience has."""
    found: list[str] = []
    for _, tag, audience in _PAIRS:
        numbers = Counter(member["merge_fields"].get(tag) for member in stage.mail.members(audience))
        found += [str(number) for number, times in numbers.items() if number and times > 1]
    return found


def turned_back(stage: Stage) -> list[str]:
    """Addresses that a request moved from out of the audience back into it; people may, requests may not."""
    return [
        move.email
        for name in AUDIENCES
        for move in stage.mail.transitions(name)
        if isinstance(move.by, int) and move.old in _OPTED_OUT and move.new in ("subscribed", "pending")
    ]


def _all_renamed(stage: Stage) -> bool:
    edited = [row["number"] for row in stage.erp.rows("customers") if "(renamed)" in row["displayName"]]
    return set(edited) <= up_to_date(stage, *_PAIRS[0])


def _has(stage: Stage, address: str) -> bool:
    return stage.mail.member("Customers", address) is not None


def _leave_files(stage: Stage) -> None:
    stage.keep_requests()
    for name in AUDIENCES:
        stage.keep(f"members-{name.lower()}.jsonl", stage.mail.members(name))
