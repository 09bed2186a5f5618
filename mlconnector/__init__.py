"""mlconnector: a sync tool that cron runs. One connection file, one state file, one run, then exit.

One run of one flow is one straight line (`engine`), and everything else is another maker of batches for it:

    signals → Batch[Change] → flow.map → Mapped | Skip → decide(ledger entry) → Step
            → ledger.begin (commit) → target.write → Outcome → ledger.finish (commit)
            → when everything that was read is in the ledger: the watermark moves

The one invariant: nothing lies behind the watermark that the ledger does not hold.

- `model`, `errors`: the words, and the errors named by what the run does next. Standard library only.
- `decide`, `pairs`, `spelling`, `mapping` (with `reading`, `conditions`, `transforms`), `flows`, `summary`,
  `remedies`: pure.
- `engine` plans, `matching` finds what is there already, and `lanes` writes; `signals` says where batches come from,
  `plan` is the target of a dry run.
- `ledger`: the state file and the run lock; `ledger.upkeep` and `ledger.forgetting` are for between runs.
  `http`, `auth`: calls; `network`: why one could not be made. `secrets`: the keyring. One home for each library.
- `systems/<vendor>`: one folder each, seen through `systems.base`; no vendor knows another, the ledger or a flow.
- `config` (with `settings`, `places`, `suspicions`, `yamlfile`, `explain`, `template`, `schema`): the connection file,
  every mistake at once.
- `report`, `logs`: what leaves the program as text. `cli` alone builds things and exits.
- `sandbox` runs the vendors' emulators for the tests, the demo and the README.

Where this differs from the design notes, section by section, and why:

2. Layout. `config` is eight modules, because what a file may say, where it is, what nobody means, reading YAML with
   places, putting a problem into words, writing a file and its JSON Schema are subjects of their own; `mapping` is
   four for the same reason. `lanes` is the half of the engine that has to do with threads. A dry run is a wrapper in
   `plan`. `summary` (what a run did, in words), `remedies` (the next step for each code) and `logs` (redaction) are
   pure or nearly so and were cut out of `report`. An emulator is `emulator.py` with `emulator_*.py` beside it, 2,000
   lines and more each; they import `sandbox` and each other only. A system's folder has the files it needs (`check`,
   `verdict`, `fields`; `account`, `member`, `bulk`, `single`). There is no inbox and there are no subscriptions
   before a flow has webhooks.
3. Order. A run without a watermark, or in full, takes up leftovers after the read: the read meets them anyway.
   Business Central's pages come by number and not by time, so only the last batch of a read has a checkpoint.
4. Types. `Batch.cursor` is where a backfill goes on. `Skip.leaves` and `Flow.on_exclude` say what becomes of a member
   whose record no longer matches `when`. `Flow.paths` are the fields to fetch, `needs` those without which nothing
   can be sent. What a flow does `then` is a flow of its own that `follows` it (`deals_to_documents.post`);
   `Flow.new` says whether a counterpart is made at all.
   `Ref.optional` is not waited for, `Step.why` says why something is to go.
   `Outcome` has `answer` and `memo` (what the target wants to see again: the contact, tags it gave, how a member
   stood that it archived) and the status `removed`; in the ledger created, updated and unchanged are `done`.
   `Connection` has no `budget`: what counts calls by the day is a system's own setting (Pipedrive's tokens). What was
   taken of a day is kept in `meta` from run to run (`Quota`, the one value that changes).
   `Mapped.match` are keys under which a counterpart may be there already, in order; its `key` is the record's own then.
   `links` holds each pair once, for both directions, with hashes of the fields of either side as they were when the two
   were last in step (`seen`). From them comes what a step has to tell (`Step.changed`), what was changed on both sides
   (`pairs.merge`), and that a change which came from the other side is not carried back, however it was cut on its
   way: the digest alone would not do, since two systems spell one value differently. `Outcome.now` is what a write
   left there, `Outcome.left_out` what it could not take. With the hashes of a name's fields goes one of what was made
   of them, so that a part of a field which makes no difference is no change.
   What is made once a record (`model.value`) is frozen for the type checker only; at run time that took six times as
   long. `LedgerEntry.name` is what people call the record.
   Tables. `ledger` is not `WITHOUT ROWID`: with 100,000 rows of random keys a look-up of a key that nobody has took
   37 µs there and takes 1 µs now. `sending` is one row a chunk, not one ledger row a record, and becomes ledger rows
   only after a crash: random GUID keys dirty a page each, and this halves the bytes written. There is no `body`
   column: what is unsettled is fetched again, so that no payload is ever stored and the newest state is what is sent.
   A key is unique among the rows that own it (`owns`): a record that was skipped or removed keeps its former key, by
   which its member is found again, and another may own it meanwhile. `wants` is the key a `key-taken` record waits for
   (of a target that does not upsert it fails, `reference-taken`), or what it refers to (`ref:…`) or has to be decided
   about by a person first (`ask:…`); `tried` those (a line each) that a record was on its way to when no answer came
   (`Step.tried_keys`). `backfills`, `run_flows` and `meta`
   (which connection a file belongs to; whose records and which place the ids of each flow mean, which `cli.origin`
   compares before anything is read or written) were added; `parted` are counterparts that no record has: removed
   ones, which come back for whoever has their key next, and those left behind by a record that became another one's,
   which are removed at the end of a run unless somebody wants them; `forgotten` are salted hashes of people.
5. Deciding. A record that is unchanged, or refused with this very content, gives no step and no outcome: nothing is
   written for it. Keys that a record may be at (`tried`) keep other records waiting as its own key does, until a clear
   answer comes or it is looked up. A record whose key belonged to a removed one inherits that one's counterpart; one
   whose counterpart the target refused (archived, gone) gets no other. A counterpart found where the ledger does not
   expect it (`found-elsewhere`) is only touched once the ledger says that no other record has that key. What a target
   that does not upsert has to look up first is a Step `create`, which the engine looks up for a whole batch at once.
   Several candidates, or one that is another record's, make a record `failed` (not held: it would be looked for again
   in each run) until its content changes or a person links it. Where it was on its way without an answer it is looked
   for under the keys it had then, and nobody else may match by these until that is clear.
6. Interfaces. `Source.read` takes `until` and `resume` for backfills, and `shift` moves a checkpoint back in the
   source's own spelling. `System.connect` gives a `Connected` (entity, source, target, check, describe, usage,
   close): `check` and `fields` need a system without a flow. `Resolves` finds records by what people call them,
   `Foretells` says in a dry run what a write would come to.
   `System.origin` and `Placed` say what ids mean.
   `System.fields_of` are the fields that can be mapped with given settings: an older server has fewer, a published
   page has its own. `FlowKind` is a flow before it is bound to a connection's options, `Flow` after it. Receives,
   Subscribes and Acts come with the first system that needs them. `cli.told` notes in the user's state folder what a
   run that never got to its state file said (`told.<hash>`), so that cron mails it once a day.
7. Errors. `StoppedError` and `LockedError` have names of their own; `Later` and `Stop` leave their records `failed`
   with a time, codes `later` and `stopped`, which the next run takes up.
   `link` (`sync --adopt`, `mlconnector link`) is a fourth action of a Step: a counterpart that is only remembered.
8. The brake plans a whole read before the first write. Up to 2,000 steps are kept for it; beyond that the source is
   read a second time, because memory must not grow with the number of records. A first sync, `--limit`, replays and
   dry runs are not braked.
9. Imports. yaml is at home in `yamlfile`. sqlite_utils is used for migrations alone, sqlite3 for the rest: most
   runs never import the former. The sandbox stands on the standard library's server, because a
   fault such as an answer lost on the way needs the bare socket.
10. The body that a flow maps holds its audience, so that another audience in the file is a change of every record.
    `state`, `overlap` and `brake` stand at the top of the file; `when` and `map` are a flow's.
"""

__version__ = "0.1.0"
