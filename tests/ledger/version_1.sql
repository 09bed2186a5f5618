BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'mlconnector','0001_first','2026-11-21 13:03:27.584958+00:00');
CREATE TABLE attempts (
    run_id INTEGER,
    flow TEXT NOT NULL,
    source_id TEXT NOT NULL,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    answer TEXT NOT NULL DEFAULT '',
    request_id TEXT NOT NULL DEFAULT ''
);
INSERT INTO "attempts" VALUES(1,'customers_to_members','c1','2026-07-01T08:00:00.000Z','create','created','','','200','r-1');
CREATE TABLE backfills (
    flow TEXT PRIMARY KEY,
    since TEXT,
    until TEXT,
    cursor TEXT,
    read INTEGER NOT NULL DEFAULT 0,
    started_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE ledger (
    flow TEXT NOT NULL,
    source_id TEXT NOT NULL,
    status TEXT NOT NULL,
    target_key TEXT,
    owns INTEGER NOT NULL DEFAULT 0,
    target_id TEXT,
    digest BLOB,
    code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at TEXT,
    source_modified TEXT,
    wants TEXT,
    tried TEXT,
    memo TEXT,
    name TEXT NOT NULL DEFAULT '',
    run_id INTEGER,
    updated_at TEXT,
    UNIQUE (flow, source_id)
);
INSERT INTO "ledger" VALUES('customers_to_members','c1','done','email:anna@nordkran.se',1,'aud/1',X'64646464646464646464646464646464','','',0,NULL,'2026-07-01T08:00:00.000Z',NULL,NULL,'{"tags":["Customer"]}','10000',1,'2026-07-01T08:00:00.000Z');
INSERT INTO "ledger" VALUES('customers_to_members','c2','skipped',NULL,0,NULL,NULL,'missing-email','it has no e-mail address',0,NULL,NULL,NULL,NULL,NULL,'10001',1,'2026-07-01T08:00:00.000Z');
CREATE TABLE links (
    system TEXT NOT NULL,
    entity TEXT NOT NULL,
    id TEXT NOT NULL,
    other_system TEXT NOT NULL,
    other_entity TEXT NOT NULL,
    other_id TEXT NOT NULL,
    PRIMARY KEY (system, entity, id, other_system, other_entity)
) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('connection','nordkran');
CREATE TABLE run_flows (
    run_id INTEGER NOT NULL,
    flow TEXT NOT NULL,
    counts TEXT NOT NULL,
    calls INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, flow)
) WITHOUT ROWID;
INSERT INTO "run_flows" VALUES(1,'customers_to_members','{"created":1,"skipped":1}',4,0.5);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    exit_code INTEGER,
    error TEXT NOT NULL DEFAULT ''
);
INSERT INTO "runs" VALUES(1,'sync','2026-07-01T08:00:00.000Z','2026-07-01T08:00:00.000Z',0,'');
CREATE TABLE sending (
    id INTEGER PRIMARY KEY,
    flow TEXT NOT NULL,
    run_id INTEGER,
    at TEXT NOT NULL,
    steps TEXT NOT NULL
);
INSERT INTO "sending" VALUES(1,'customers_to_members',1,'2026-07-01T08:00:00.000Z','[["c3","email:bo@nordkran.se"]]');
CREATE TABLE watermarks (
    flow TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    stored_at TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "watermarks" VALUES('customers_to_members','2026-07-01T08:00:00.000Z','2026-07-01T08:00:00.000Z');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX ledger_owner ON ledger (flow, target_key) WHERE owns = 1;
CREATE INDEX ledger_former ON ledger (flow, target_key) WHERE owns = 0;
CREATE INDEX ledger_wants ON ledger (flow, wants) WHERE wants IS NOT NULL;
CREATE INDEX ledger_open ON ledger (flow, status) WHERE status NOT IN ('done', 'skipped');
CREATE INDEX links_back ON links (other_system, other_entity, other_id);
COMMIT;
