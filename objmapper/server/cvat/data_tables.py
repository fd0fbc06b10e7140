"""The tables behind a task's data, the requests that make it, and its annotations.

A deleted task takes its data along. What a row says of a file is deleted with it, and the file's name
is left in ``garbage`` until the file is gone, too.
"""

DATA = """
CREATE TABLE IF NOT EXISTS data (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    size INTEGER NOT NULL DEFAULT 0,
    chunk_size INTEGER,
    image_quality INTEGER NOT NULL DEFAULT 50,
    start_frame INTEGER NOT NULL DEFAULT 0,
    stop_frame INTEGER NOT NULL DEFAULT 0,
    frame_filter TEXT NOT NULL DEFAULT '',
    storage_method TEXT NOT NULL DEFAULT 'file_system',
    storage TEXT NOT NULL DEFAULT 'local',
    sorting_method TEXT NOT NULL DEFAULT 'lexicographical',
    deleted_frames TEXT NOT NULL DEFAULT '[]',
    chunks_updated_date TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS blob (
    name TEXT PRIMARY KEY,
    data_id INTEGER NOT NULL REFERENCES data (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS blob_data ON blob (data_id);
CREATE TABLE IF NOT EXISTS garbage (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS client_file (
    id INTEGER PRIMARY KEY,
    data_id INTEGER NOT NULL REFERENCES data (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    blob TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS client_file_of_data ON client_file (data_id, name);
CREATE TABLE IF NOT EXISTS upload (
    key TEXT PRIMARY KEY,
    data_id INTEGER NOT NULL REFERENCES data (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    blob TEXT NOT NULL,
    length INTEGER NOT NULL,
    offset INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS upload_data ON upload (data_id);
CREATE TABLE IF NOT EXISTS image (
    data_id INTEGER NOT NULL REFERENCES data (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    name TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    blob TEXT,
    shared TEXT,
    PRIMARY KEY (data_id, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request (
    id TEXT PRIMARY KEY,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    task_id INTEGER REFERENCES task (id) ON DELETE CASCADE,
    owner_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    status TEXT NOT NULL DEFAULT 'queued',
    message TEXT NOT NULL DEFAULT '',
    progress REAL NOT NULL DEFAULT 0,
    looks INTEGER NOT NULL DEFAULT 0,
    work TEXT NOT NULL,
    created_date TEXT NOT NULL,
    started_date TEXT,
    finished_date TEXT
);
CREATE INDEX IF NOT EXISTS request_task ON request (task_id);
CREATE TRIGGER IF NOT EXISTS task_takes_data AFTER DELETE ON task BEGIN
    DELETE FROM data WHERE id = OLD.data_id;
END;
CREATE TRIGGER IF NOT EXISTS blob_is_garbage AFTER DELETE ON blob BEGIN
    INSERT OR IGNORE INTO garbage VALUES (OLD.name);
END;
"""

# Ids are given out by ``serial``, not by AUTOINCREMENT: an annotation may bring its own along, which
# does not count as given out (observed on CVAT 2.15).
ANNOTATIONS = """
CREATE TABLE IF NOT EXISTS serial (name TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tag (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    label_id INTEGER NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    frame INTEGER NOT NULL,
    "group" INTEGER,
    source TEXT NOT NULL,
    attributes TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS tag_job ON tag (job_id, frame);
CREATE INDEX IF NOT EXISTS tag_label ON tag (label_id);
CREATE TABLE IF NOT EXISTS shape (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    label_id INTEGER NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    parent_id INTEGER REFERENCES shape (id) ON DELETE CASCADE,
    frame INTEGER NOT NULL,
    "group" INTEGER,
    source TEXT NOT NULL,
    score REAL NOT NULL,
    type TEXT NOT NULL,
    occluded INTEGER NOT NULL,
    outside INTEGER NOT NULL,
    z_order INTEGER NOT NULL,
    rotation REAL NOT NULL,
    points TEXT NOT NULL,
    attributes TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS shape_job ON shape (job_id, frame);
CREATE INDEX IF NOT EXISTS shape_label ON shape (label_id);
CREATE INDEX IF NOT EXISTS shape_parent ON shape (parent_id);
CREATE TABLE IF NOT EXISTS track (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    label_id INTEGER NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    parent_id INTEGER REFERENCES track (id) ON DELETE CASCADE,
    frame INTEGER NOT NULL,
    "group" INTEGER,
    source TEXT NOT NULL,
    attributes TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS track_job ON track (job_id);
CREATE INDEX IF NOT EXISTS track_label ON track (label_id);
CREATE INDEX IF NOT EXISTS track_parent ON track (parent_id);
CREATE TABLE IF NOT EXISTS tracked_shape (
    id INTEGER PRIMARY KEY,
    track_id INTEGER NOT NULL REFERENCES track (id) ON DELETE CASCADE,
    frame INTEGER NOT NULL,
    type TEXT NOT NULL,
    occluded INTEGER NOT NULL,
    outside INTEGER NOT NULL,
    z_order INTEGER NOT NULL,
    rotation REAL NOT NULL,
    points TEXT NOT NULL,
    attributes TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS tracked_shape_track ON tracked_shape (track_id, frame);
"""
