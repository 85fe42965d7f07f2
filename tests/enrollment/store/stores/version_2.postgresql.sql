-- what the second schema made on a server, with two members who look alike
CREATE TABLE household (
    id SERIAL NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    calibration TEXT,
    PRIMARY KEY (id),
    UNIQUE (name)
);
CREATE TABLE operation (
    sequence SERIAL NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    household_id INTEGER NOT NULL,
    member_id INTEGER,
    exemplar_id INTEGER,
    PRIMARY KEY (sequence)
);
CREATE TABLE member (
    id SERIAL NOT NULL,
    household_id INTEGER NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    model TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (household_id, name),
    FOREIGN KEY(household_id) REFERENCES household (id) ON DELETE CASCADE
);
CREATE TABLE consent (
    member_id INTEGER NOT NULL,
    subject TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at TEXT NOT NULL,
    version TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (member_id, subject),
    FOREIGN KEY(member_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE TABLE exemplar (
    id SERIAL NOT NULL,
    member_id INTEGER NOT NULL,
    vector BYTEA NOT NULL,
    digest TEXT NOT NULL,
    speech_s FLOAT NOT NULL,
    snr_db FLOAT,
    device TEXT NOT NULL,
    origin TEXT NOT NULL,
    added_at TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (member_id, digest),
    FOREIGN KEY(member_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE TABLE kept_audio (
    exemplar_id INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (exemplar_id),
    FOREIGN KEY(exemplar_id) REFERENCES exemplar (id) ON DELETE CASCADE
);
CREATE TABLE spkid_schema (
    version INTEGER NOT NULL
);
INSERT INTO spkid_schema (version) VALUES (2);
INSERT INTO household (id, name) VALUES (1, 'home'), (2, 'HOME');
INSERT INTO member (id, household_id, name, model) VALUES (1, 1, 'Ana', 'm1'), (2, 1, 'ana ', 'm1'), (3, 2, 'Ana', 'm1');
SELECT setval('household_id_seq', 2), setval('member_id_seq', 3);
