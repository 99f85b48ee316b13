CREATE TABLE orders (
  id TEXT PRIMARY KEY,
  total NUMERIC(14, 2) NOT NULL,
  note TEXT
);

-- name: findOrder :one
SELECT id, total, note FROM orders WHERE id = :id;
