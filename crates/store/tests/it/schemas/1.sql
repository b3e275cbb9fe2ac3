-- A store as schema 1 left it: made by the first program that had this schema, and never changed since.

PRAGMA application_id = 1718187110;
PRAGMA user_version = 1;

CREATE TABLE athlete (
        name         TEXT PRIMARY KEY,
        fence        INTEGER NOT NULL DEFAULT 0,  -- the newest lease's number
        head         TEXT,                        -- JSON
        head_version INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
CREATE TABLE activity (
        athlete    TEXT NOT NULL,
        id         INTEGER NOT NULL,              -- Garmin's
        version    INTEGER NOT NULL,
        state      TEXT NOT NULL,
        start      TEXT,                          -- UTC
        day        TEXT,                          -- on the runner's calendar
        first_seen TEXT NOT NULL,                 -- UTC
        row        TEXT NOT NULL,                 -- JSON, of which the columns before are a part
        PRIMARY KEY (athlete, id)
    ) STRICT;
CREATE INDEX activity_by_start ON activity (athlete, coalesce(start, first_seen), id);
CREATE INDEX activity_open ON activity (athlete, coalesce(start, first_seen), id)
        WHERE state IN ('wanted', 'submitting', 'submitted');
CREATE TABLE secret (
        athlete TEXT NOT NULL,
        name    TEXT NOT NULL,
        version INTEGER NOT NULL,                 -- goes on counting when the value is removed
        value   TEXT,
        PRIMARY KEY (athlete, name)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE budget (
        app     TEXT PRIMARY KEY,                 -- Strava's client id
        account TEXT NOT NULL                     -- JSON
    ) STRICT, WITHOUT ROWID;

INSERT INTO athlete VALUES ('anna',1,'{"fingerprint":18446744073709551615,"next_due":"2026-11-23T12:00:00Z","counts":{"published":4,"rejected":6,"skipped":5,"submitted":3,"submitting":2,"wanted":1},"dirty":true,"garmin_pause":{"cause":"login_needed","what":"as it was seen"},"strava_pause":{"cause":"limit","until":"2026-11-23T12:00:00Z","what":"as it was seen"},"garmin_rung":1,"strava_rung":2,"garmin_429_minutes":4,"last_change":"2026-11-23T12:00:00Z","since_kept":"2026-11-01","sweep":{"last_complete":"2026-11-23T12:00:00Z","last_full":"2026-11-20T00:00:00.5Z","running":{"started":"2026-11-23T12:00:00Z","back_to":"2026-10-01","full":true,"reached":"2026-10-20"}},"link":{"on":false,"looked":"2026-11-23T12:00:00Z"},"bearer_due":"2026-11-23T12:00:00Z"}',1);

INSERT INTO activity VALUES ('anna',-1,1,'submitting','2026-11-23T06:00:00.123456789Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":18446744073709551615,"name":"Lauf 🏃 \"früh\"","type_key":"trail_running","parent_type_id":1,"start":"2026-11-23T06:00:00.123456789Z","local_date":"2026-11-23","elapsed":"PT1H1M1.000000001S","distance_m":10012.340000000002,"manual":true,"parent":5},"state":{"name":"submitting","attempt":1,"send_before":"2026-11-23T12:00:20.000000001Z"},"not_before":"2026-11-23T12:00:00Z","cause":"in_doubt","first_seen":"2026-11-23T12:00:00Z","download_begun":"2026-11-23T12:00:00Z","failed_downloads":1,"sends":2,"counted_resends":3,"resends_after_5xx":4,"last_send_5xx":true,"first_absent":"2026-11-23T12:00:00Z","duplicate":{"of":8,"text":"duplicate of 8"},"confirms":5,"file":{"sha256":"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5","bytes":123456,"kind":"fit","damage":"short","start":"2026-11-23T12:00:00Z","elapsed":"PT1.5S"},"force":true,"skip_noted":true,"by_hand":true,"history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',1,1,'wanted','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":1,"start":"2026-11-23T06:00:00Z"},"state":{"name":"wanted"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',10,1,'skipped','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":10,"start":"2026-11-23T06:00:00Z"},"state":{"name":"skipped","reason":"multisport_child"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"skipped: multisport_child"}]}');
INSERT INTO activity VALUES ('anna',100,1,'wanted','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":100,"start":"2026-11-23T06:00:00Z"},"state":{"name":"wanted"},"not_before":"2026-11-23T12:00:00Z","cause":"processing","first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',109,1,'wanted','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":109,"start":"2026-11-23T06:00:00Z"},"state":{"name":"wanted"},"not_before":"2026-11-23T12:00:00Z","cause":"garmin_down","first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',11,1,'skipped','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":11,"start":"2026-11-23T06:00:00Z"},"state":{"name":"skipped","reason":"before_start"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"skipped: before_start"}]}');
INSERT INTO activity VALUES ('anna',12,1,'skipped','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":12,"start":"2026-11-23T06:00:00Z"},"state":{"name":"skipped","reason":"by_hand"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"skipped: by_hand"}]}');
INSERT INTO activity VALUES ('anna',13,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":13,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"malformed_file","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',14,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":14,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"not_an_activity","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',15,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":15,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"several_files","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',16,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":16,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"too_large","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',17,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":17,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"refused_by_strava","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',18,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":18,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"overlaps_other","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',19,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":19,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"deleted_on_strava","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',2,1,'submitting','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":2,"start":"2026-11-23T06:00:00Z"},"state":{"name":"submitting","attempt":3,"send_before":"2026-11-23T12:00:20.000000001Z"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',20,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":20,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"unknown_outcome","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',21,1,'rejected','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":21,"start":"2026-11-23T06:00:00Z"},"state":{"name":"rejected","reason":"garmin_error","detail":"says \"why\""},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',3,1,'submitted','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":3,"start":"2026-11-23T06:00:00Z"},"state":{"name":"submitted","upload":18446744073709551615,"since":"2026-11-23T12:00:00Z"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',4,1,'published','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":4,"start":"2026-11-23T06:00:00Z"},"state":{"name":"published","strava":7,"how":"uploaded"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',5,1,'published','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":5,"start":"2026-11-23T06:00:00Z"},"state":{"name":"published","strava":7,"how":"already_there"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',6,1,'published','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":6,"start":"2026-11-23T06:00:00Z"},"state":{"name":"published","strava":7,"how":"duplicate"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"seen on Garmin"}]}');
INSERT INTO activity VALUES ('anna',7,1,'skipped','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":7,"start":"2026-11-23T06:00:00Z"},"state":{"name":"skipped","reason":"rule"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"skipped: rule"}]}');
INSERT INTO activity VALUES ('anna',8,1,'skipped','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":8,"start":"2026-11-23T06:00:00Z"},"state":{"name":"skipped","reason":"manual_entry"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"skipped: manual_entry"}]}');
INSERT INTO activity VALUES ('anna',9,1,'skipped','2026-11-23T06:00:00.000000000Z','2026-11-23','2026-11-23T12:00:00.000000000Z','{"activity":{"id":9,"start":"2026-11-23T06:00:00Z"},"state":{"name":"skipped","reason":"no_file"},"first_seen":"2026-11-23T12:00:00Z","history":[{"at":"2026-11-23T12:00:00Z","event":"skipped: no_file"}]}');

INSERT INTO secret VALUES ('anna','garmin_bearer',1,'the garmin_bearer');
INSERT INTO secret VALUES ('anna','garmin_login',1,'the garmin_login');
INSERT INTO secret VALUES ('anna','strava_login',2,NULL);

INSERT INTO budget VALUES ('12345','{"counts":{"at":"2026-11-23T12:00:00Z","overall_15min":{"used":1,"limit":200},"overall_day":{"used":1,"limit":2000},"read_15min":{"used":1,"limit":100},"read_day":{"used":1,"limit":1000}}}');
