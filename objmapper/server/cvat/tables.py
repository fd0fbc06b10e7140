"""The tables behind the embedded CVAT; moments are text that sorts as time does."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    first_name TEXT NOT NULL DEFAULT '',
    last_name TEXT NOT NULL DEFAULT '',
    email TEXT NOT NULL DEFAULT '',
    roles TEXT NOT NULL,
    is_staff INTEGER NOT NULL,
    is_superuser INTEGER NOT NULL,
    is_active INTEGER NOT NULL DEFAULT 1,
    last_login TEXT,
    date_joined TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS login_token (
    key TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL UNIQUE REFERENCES user (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS access_token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash TEXT NOT NULL UNIQUE,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    created_date TEXT NOT NULL,
    updated_date TEXT NOT NULL,
    expiry_date TEXT,
    last_used_date TEXT
);
CREATE TABLE IF NOT EXISTS session (
    key TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    ends TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS organization (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    contact TEXT NOT NULL DEFAULT '{}',
    owner_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    created_date TEXT NOT NULL,
    updated_date TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS membership (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    is_active INTEGER NOT NULL DEFAULT 0,
    joined_date TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS membership_of_user ON membership (user_id, organization_id);
CREATE INDEX IF NOT EXISTS membership_organization ON membership (organization_id);
CREATE TABLE IF NOT EXISTS invitation (
    key TEXT PRIMARY KEY,
    membership_id INTEGER NOT NULL UNIQUE REFERENCES membership (id) ON DELETE CASCADE,
    owner_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    created_date TEXT NOT NULL,
    sent_date TEXT
);
CREATE TABLE IF NOT EXISTS project (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER REFERENCES organization (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    owner_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    assignee_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    bug_tracker TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'annotation',
    created_date TEXT NOT NULL,
    updated_date TEXT NOT NULL,
    assignee_updated_date TEXT,
    target_storage TEXT,
    source_storage TEXT
);
CREATE TABLE IF NOT EXISTS task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER REFERENCES organization (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    project_id INTEGER REFERENCES project (id) ON DELETE CASCADE,
    owner_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    assignee_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    bug_tracker TEXT NOT NULL DEFAULT '',
    subset TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'annotation',
    overlap INTEGER,
    segment_size INTEGER NOT NULL DEFAULT 0,
    initial_replicas INTEGER NOT NULL DEFAULT 0,
    mode TEXT NOT NULL DEFAULT '',
    dimension TEXT NOT NULL DEFAULT '2d',
    data_id INTEGER,
    size INTEGER,
    created_date TEXT NOT NULL,
    updated_date TEXT NOT NULL,
    assignee_updated_date TEXT,
    target_storage TEXT,
    source_storage TEXT
);
CREATE TABLE IF NOT EXISTS guide (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER UNIQUE REFERENCES project (id) ON DELETE CASCADE,
    task_id INTEGER UNIQUE REFERENCES task (id) ON DELETE CASCADE,
    markdown TEXT NOT NULL DEFAULT '',
    created_date TEXT NOT NULL,
    updated_date TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS task_project ON task (project_id);
CREATE TABLE IF NOT EXISTS job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER NOT NULL REFERENCES task (id) ON DELETE CASCADE,
    assignee_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    stage TEXT NOT NULL DEFAULT 'annotation',
    state TEXT NOT NULL DEFAULT 'new',
    status TEXT NOT NULL DEFAULT 'annotation',
    type TEXT NOT NULL DEFAULT 'annotation',
    start_frame INTEGER NOT NULL,
    stop_frame INTEGER NOT NULL,
    frames TEXT,
    created_date TEXT NOT NULL,
    updated_date TEXT NOT NULL,
    assignee_updated_date TEXT
);
CREATE INDEX IF NOT EXISTS job_task ON job (task_id);
CREATE TABLE IF NOT EXISTS label (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER REFERENCES project (id) ON DELETE CASCADE,
    task_id INTEGER REFERENCES task (id) ON DELETE CASCADE,
    parent_id INTEGER REFERENCES label (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    color TEXT NOT NULL,
    type TEXT,
    svg TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS label_of_project
    ON label (project_id, name, coalesce(parent_id, 0)) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS label_of_task
    ON label (task_id, name, coalesce(parent_id, 0)) WHERE task_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS label_parent ON label (parent_id);
CREATE TABLE IF NOT EXISTS attribute (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label_id INTEGER NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    mutable INTEGER NOT NULL,
    input_type TEXT NOT NULL,
    default_value TEXT NOT NULL DEFAULT '',
    choices TEXT NOT NULL DEFAULT '[]'
);
CREATE UNIQUE INDEX IF NOT EXISTS attribute_of_label ON attribute (label_id, name);
CREATE INDEX IF NOT EXISTS job_assignee ON job (assignee_id);
CREATE TABLE IF NOT EXISTS issue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    owner_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    assignee_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    frame INTEGER NOT NULL,
    position TEXT NOT NULL,
    resolved INTEGER NOT NULL DEFAULT 0,
    created_date TEXT NOT NULL,
    updated_date TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS issue_job ON issue (job_id);
CREATE TABLE IF NOT EXISTS comment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    issue_id INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    owner_id INTEGER REFERENCES user (id) ON DELETE SET NULL,
    message TEXT NOT NULL,
    created_date TEXT NOT NULL,
    updated_date TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS comment_issue ON comment (issue_id);
"""
