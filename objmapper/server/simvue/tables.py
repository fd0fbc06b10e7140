"""The tables of the embedded Simvue: ``id`` orders and joins the rows, ``key`` is told to clients."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS tenant (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    is_enabled INTEGER NOT NULL DEFAULT 1,
    max_request_rate INTEGER NOT NULL DEFAULT 0,
    max_runs INTEGER NOT NULL DEFAULT 0,
    max_data_volume INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    username TEXT NOT NULL,
    fullname TEXT,
    email TEXT,
    is_manager INTEGER NOT NULL DEFAULT 0,
    is_admin INTEGER NOT NULL DEFAULT 0,
    is_readonly INTEGER NOT NULL DEFAULT 0,
    is_enabled INTEGER NOT NULL DEFAULT 1,
    is_deleted INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS user_name ON user (username) WHERE NOT is_deleted;
CREATE TABLE IF NOT EXISTS token (
    hash TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    expires REAL
);
CREATE TABLE IF NOT EXISTS folder (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    name TEXT,
    description TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    metadata TEXT NOT NULL DEFAULT '{}',
    ttl INTEGER,
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    UNIQUE (tenant_id, path)
);
CREATE TABLE IF NOT EXISTS tag (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    colour TEXT NOT NULL,
    description TEXT,
    created TEXT NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE TABLE IF NOT EXISTS run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    folder_id INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    status TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]',
    metadata TEXT NOT NULL DEFAULT '{}',
    system TEXT,
    ttl INTEGER,
    heartbeat_timeout INTEGER,
    heartbeat TEXT,
    notifications TEXT NOT NULL,
    visibility TEXT NOT NULL,
    abort_reason TEXT,
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    started TEXT,
    endtime TEXT
);
CREATE INDEX IF NOT EXISTS run_folder ON run (folder_id);
CREATE TABLE IF NOT EXISTS star (
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE TABLE IF NOT EXISTS alert (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    notification TEXT NOT NULL,
    source TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    abort INTEGER NOT NULL DEFAULT 0,
    auto INTEGER NOT NULL DEFAULT 0,
    delay INTEGER,
    run_tags TEXT NOT NULL DEFAULT '[]',
    alert TEXT,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run_alert (
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    alert_id INTEGER NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    status TEXT,
    PRIMARY KEY (run_id, alert_id)
);
CREATE TABLE IF NOT EXISTS storage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    backend TEXT NOT NULL,
    config TEXT,
    is_default INTEGER NOT NULL DEFAULT 0,
    is_tenant_useable INTEGER NOT NULL DEFAULT 1,
    is_enabled INTEGER NOT NULL DEFAULT 1,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS artifact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    storage_id INTEGER REFERENCES storage (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    original_path TEXT,
    size INTEGER NOT NULL,
    mime_type TEXT,
    checksum TEXT NOT NULL,
    metadata TEXT,
    uploaded INTEGER NOT NULL DEFAULT 0,
    place TEXT NOT NULL UNIQUE,
    content BLOB,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run_artifact (
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    artifact_id INTEGER NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
    category TEXT NOT NULL,
    PRIMARY KEY (run_id, artifact_id)
);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    timestamp TEXT NOT NULL,
    message TEXT NOT NULL,
    log_level TEXT
);
CREATE INDEX IF NOT EXISTS event_run ON event (run_id, timestamp);
CREATE TABLE IF NOT EXISTS metric (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    step INTEGER NOT NULL,
    time REAL NOT NULL,
    timestamp TEXT NOT NULL,
    value NUMERIC NOT NULL
);
CREATE INDEX IF NOT EXISTS metric_run ON metric (run_id, name, step);
CREATE TABLE IF NOT EXISTS grid (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    grid TEXT NOT NULL,
    labels TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run_grid (
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    grid_id INTEGER NOT NULL REFERENCES grid (id) ON DELETE CASCADE,
    metric TEXT NOT NULL,
    PRIMARY KEY (run_id, grid_id, metric)
);
CREATE TABLE IF NOT EXISTS grid_metric (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    grid_id INTEGER NOT NULL REFERENCES grid (id) ON DELETE CASCADE,
    metric TEXT NOT NULL,
    step INTEGER NOT NULL,
    time REAL NOT NULL,
    timestamp TEXT NOT NULL,
    value TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS grid_metric_run ON grid_metric (run_id, metric, step);
"""
