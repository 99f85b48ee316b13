CREATE TABLE tickets (
  id       TEXT PRIMARY KEY,
  subject  TEXT NOT NULL,
  priority TEXT NOT NULL
);

-- name: findTicket :one
SELECT id, subject, priority FROM tickets WHERE id = :id;
