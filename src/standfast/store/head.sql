-- Written by `./dev docs` from the migrations. Change those.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE run (
	id TEXT NOT NULL,
	cluster TEXT NOT NULL,
	state TEXT NOT NULL,
	plan_digest TEXT NOT NULL,
	approved_by TEXT NOT NULL,
	created_at REAL NOT NULL,
	ended_at REAL,
	reason TEXT,
	PRIMARY KEY (id)
)
 STRICT;
CREATE UNIQUE INDEX run_active ON run (cluster) WHERE ended_at IS NULL;
CREATE TABLE "plan" (
	run TEXT NOT NULL,
	cluster TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (run),
	FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT;
CREATE TABLE host (
	run TEXT NOT NULL,
	host TEXT NOT NULL,
	cluster TEXT NOT NULL,
	name TEXT NOT NULL,
	position INTEGER NOT NULL,
	phase TEXT NOT NULL,
	since REAL NOT NULL,
	attempt INTEGER NOT NULL,
	held_phase TEXT NOT NULL,
	reason TEXT,
	boot_id_before TEXT NOT NULL,
	boot_id_after TEXT NOT NULL,
	scan_before TEXT,
	scan_after TEXT,
	health_before TEXT,
	healthy_since REAL,
	cordon_taken INTEGER NOT NULL,
	call_failures INTEGER NOT NULL,
	next_call_at REAL NOT NULL,
	versions_before TEXT NOT NULL,
	versions_after TEXT NOT NULL, asked TEXT DEFAULT '' NOT NULL, kernel_before TEXT DEFAULT '' NOT NULL, unreachable_since REAL,
	PRIMARY KEY (run, host),
	FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT;
CREATE TABLE move (
	run TEXT NOT NULL,
	id TEXT NOT NULL,
	cluster TEXT NOT NULL,
	vm TEXT NOT NULL,
	vm_name TEXT NOT NULL,
	source TEXT NOT NULL,
	target TEXT NOT NULL,
	purpose TEXT NOT NULL,
	step TEXT,
	attempt INTEGER NOT NULL,
	state TEXT NOT NULL,
	started_at REAL NOT NULL,
	deadline_at REAL NOT NULL,
	predicted TEXT NOT NULL,
	cancel_asked INTEGER NOT NULL,
	ended_at REAL,
	record TEXT,
	reason TEXT,
	PRIMARY KEY (run, id),
	FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT;
CREATE INDEX move_in_order ON move (run, started_at, id);
CREATE TABLE journal (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	run TEXT NOT NULL,
	cluster TEXT NOT NULL,
	host TEXT NOT NULL,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	"before" TEXT NOT NULL,
	taken_at REAL NOT NULL,
	given_back_at REAL,
	FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT;
CREATE INDEX journal_of_run ON journal (run, id);
CREATE UNIQUE INDEX journal_open ON journal (run, host, kind, name) WHERE given_back_at IS NULL;
CREATE TABLE event (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	run TEXT NOT NULL,
	cluster TEXT NOT NULL,
	at REAL NOT NULL,
	kind TEXT NOT NULL,
	host TEXT,
	vm TEXT,
	text TEXT NOT NULL,
	data TEXT NOT NULL,
	actor TEXT NOT NULL, chain TEXT DEFAULT '' NOT NULL,
	FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT;
CREATE INDEX event_of_run ON event (run, id);
CREATE TABLE command (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	run TEXT NOT NULL,
	cluster TEXT NOT NULL,
	verb TEXT NOT NULL,
	actor TEXT NOT NULL,
	at REAL NOT NULL,
	handled_at REAL,
	outcome TEXT NOT NULL, host TEXT,
	FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT;
CREATE INDEX command_of_run ON command (run, handled_at);
CREATE TABLE live (
	run TEXT NOT NULL,
	cluster TEXT NOT NULL,
	data TEXT NOT NULL,
	at REAL NOT NULL,
	PRIMARY KEY (run),
	FOREIGN KEY(run) REFERENCES run (id)
)
 STRICT;
CREATE TABLE lease (
	id INTEGER NOT NULL,
	holder TEXT NOT NULL,
	epoch INTEGER NOT NULL,
	expires_at REAL NOT NULL,
	ttl_seconds REAL NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT lease_one_row CHECK (id = 1)
)
 STRICT;
CREATE TRIGGER event_no_replace BEFORE INSERT ON event WHEN EXISTS (SELECT 1 FROM event WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'event rows are append-only'); END;
CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'event rows are append-only'); END;
CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal WHEN EXISTS (SELECT 1 FROM journal WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'journal rows are append-only'); END;
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal WHEN NOT (OLD.given_back_at IS NULL AND NEW.given_back_at IS NOT NULL AND NEW.id IS OLD.id AND NEW.run IS OLD.run AND NEW.cluster IS OLD.cluster AND NEW.host IS OLD.host AND NEW.kind IS OLD.kind AND NEW.name IS OLD.name AND NEW.before IS OLD.before AND NEW.taken_at IS OLD.taken_at) BEGIN SELECT RAISE(ABORT, 'journal rows are append-only but for given_back_at, once'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'journal rows are append-only but for given_back_at, once'); END;
CREATE TABLE told (
	receiver TEXT NOT NULL,
	event INTEGER NOT NULL,
	PRIMARY KEY (receiver)
)
 STRICT;
CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'event rows are append-only'); END;
INSERT INTO alembic_version VALUES ('0005');
