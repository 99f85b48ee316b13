CREATE TABLE orders (
  id         TEXT PRIMARY KEY,
  customer   TEXT NOT NULL,
  placed_on  DATE NOT NULL,
  total      NUMERIC(14, 2) NOT NULL,
  currency   TEXT NOT NULL,
  channel    TEXT NOT NULL,
  erp_number TEXT
);

-- name: findOrder :one
SELECT id, customer, total, currency, channel, erp_number FROM orders WHERE id = :id;

-- name: salesByChannel :many
SELECT channel, currency, count(*) AS orders, sum(total) AS total
FROM orders
WHERE placed_on = :day
GROUP BY channel, currency
ORDER BY channel, currency;
