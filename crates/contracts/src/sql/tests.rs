use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::testing::Project;

/// Writes the tables, statements and findings of an SQL file.
fn check(text: &str, expect: Expect) {
    let project = Project::new(&[("contracts/shop.sql", text)]);
    let (contract, findings) = project.read();
    let mut out = String::new();
    for table in contract.tables() {
        writeln!(
            out,
            "table {} {:?} {:?}",
            table.name, table.primary_key, table.unique_keys
        )
        .expect("a text takes any text");
        for column in &table.columns {
            let mark = if column.optional { "?" } else { "" };
            write!(
                out,
                "  {}{mark}: {} ({})",
                column.name, column.ty, column.declared
            )
            .expect("a text takes any text");
            let meta = column.ty.meta.as_ref().expect("a column has its place");
            for (what, text) in [("pii", &meta.pii), ("description", &meta.description)] {
                if let Some(text) = text {
                    write!(out, " {what}={text:?}").expect("a text takes any text");
                }
            }
            out.push('\n');
        }
    }
    for statement in contract.statements() {
        let params: Vec<String> = statement
            .params
            .iter()
            .map(|param| format!("{}: {}", param.name, param.ty))
            .collect();
        writeln!(
            out,
            "{} {:?}({}) -> {}{}{}\n  {}",
            statement.name,
            statement.cardinality,
            params.join(", "),
            statement.row,
            if statement.reads { ", reads" } else { "" },
            if statement.idempotent {
                ", idempotent"
            } else {
                ""
            },
            statement.sql.replace('\n', " "),
        )
        .expect("a text takes any text");
    }
    out.push_str(&project.show(&findings));
    expect.assert_eq(&out);
}

const SHOP: &str = "
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    email VARCHAR(120) NOT NULL UNIQUE, -- pii: contact
    name TEXT,
    credit NUMERIC(10,2) NOT NULL DEFAULT 0
);
CREATE TABLE orders (
    id TEXT NOT NULL,
    line INTEGER NOT NULL,
    customer INTEGER NOT NULL REFERENCES customers(id) ON DELETE SET NULL,
    total NUMERIC(12,2),
    status TEXT NOT NULL CHECK (status IN ('new', 'paid')),
    placed TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (id, line)
);
";

/// The findings and statements alone, over the tables of [`SHOP`].
fn check_statements(statements: &str, expect: Expect) {
    let project = Project::new(&[("contracts/shop.sql", &format!("{SHOP}{statements}"))]);
    let (contract, findings) = project.read();
    let mut out = String::new();
    for statement in contract.statements() {
        let params: Vec<String> = statement
            .params
            .iter()
            .map(|param| format!("{}: {}", param.name, param.ty))
            .collect();
        writeln!(
            out,
            "{} {:?}({}) -> {}{}{}",
            statement.name,
            statement.cardinality,
            params.join(", "),
            statement.row,
            if statement.reads { ", reads" } else { "" },
            if statement.idempotent {
                ", idempotent"
            } else {
                ""
            },
        )
        .expect("a text takes any text");
    }
    out.push_str(&project.show(&findings));
    expect.assert_eq(&out);
}

#[test]
fn a_table_keeps_what_makes_it() {
    let text = "CREATE TABLE IF NOT EXISTS main.a ( -- first\n  id INTEGER DEFAULT (1)\n) STRICT;\n\
                CREATE TABLE b (id TEXT);";
    let project = Project::new(&[("contracts/shop.sql", text)]);
    let (contract, _) = project.read();
    let definitions: Vec<&str> = contract.tables().iter().map(|t| &*t.definition).collect();
    let first = "( -- first\n  id INTEGER DEFAULT (1)\n) STRICT";
    assert_eq!(definitions, [first, "(id TEXT)"]);
}

#[test]
fn tables_of_sqlite() {
    check(
        r#"
-- The orders of the shop.
CREATE TABLE IF NOT EXISTS main.orders (
    -- The number that customers see.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL COLLATE NOCASE, -- pii: contact, where the invoice goes
    "order by" TEXT DEFAULT 'it''s' /* odd */,
    [net] DECIMAL(10, 2) NOT NULL DEFAULT (1 + 2),
    tax REAL CHECK (tax >= 0 AND tax < 1),
    paid BOOLEAN NOT NULL DEFAULT FALSE,
    gross NUMERIC GENERATED ALWAYS AS (net * (1 + tax)) STORED,
    state TEXT NOT NULL CHECK (state IN ('new', 'paid')),
    note,
    data BLOB,
    CONSTRAINT one UNIQUE (email, state) ON CONFLICT REPLACE,
    FOREIGN KEY (email) REFERENCES customers (email) ON DELETE SET DEFAULT
) STRICT;
CREATE UNIQUE INDEX by_net ON orders (net DESC, tax);
CREATE UNIQUE INDEX some ON orders (tax) WHERE paid;
CREATE UNIQUE INDEX lowered ON orders (lower(email));
CREATE INDEX by_state ON orders (state);
INSERT INTO orders (email) VALUES ('a');
"#,
        expect![[r#"
            table orders ["id"] [["email", "state"], ["net", "tax"]]
              id?: integer (INTEGER) description="The number that customers see."
              email: text (TEXT) pii="contact" description="where the invoice goes"
              order by?: text or null (TEXT) description="odd"
              net?: decimal (DECIMAL(10, 2))
              tax?: double or null (REAL)
              paid?: boolean (BOOLEAN)
              gross?: decimal or null (NUMERIC)
              state: "new" | "paid" (TEXT)
              note?: any ()
              data?: bytes or null (BLOB)
        "#]],
    );
}

#[test]
fn tables_of_postgresql() {
    check(
        r#"
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TABLE public.people (
    id bigserial,
    key uuid DEFAULT gen_random_uuid() NOT NULL,
    mood mood NOT NULL DEFAULT 'ok'::mood,
    name character varying(35) NOT NULL,
    code char(3),
    age smallint,
    born date,
    seen timestamp(3) with time zone NOT NULL DEFAULT now(),
    made timestamp without time zone,
    tags text[] NOT NULL DEFAULT '{}',
    more jsonb,
    place geography(Point, 4326),
    number int GENERATED BY DEFAULT AS IDENTITY (START WITH 10)
);
ALTER TABLE ONLY public.people ADD CONSTRAINT people_pkey PRIMARY KEY (id);
ALTER TABLE people ADD COLUMN weight double precision, ADD UNIQUE (name, code);
"#,
        expect![[r#"
            table people ["id"] [["name", "code"]]
              id?: integer (bigserial)
              key?: uuid (uuid)
              mood?: "sad" | "ok" (mood)
              name: text (character varying(35))
              code?: text or null (char(3))
              age?: integer or null (smallint)
              born?: date or null (date)
              seen?: date-time (timestamp(3) with time zone)
              made?: local-date-time or null (timestamp without time zone)
              tags?: [ text ] (text[])
              more?: any (jsonb)
              place?: any (geography(Point, 4326))
              number?: integer or null (int)
              weight?: double or null (double precision)
            15:11 `geography(Point, 4326)` info E0402: the type `GEOGRAPHY` is not known
        "#]],
    );
}

#[test]
fn mistakes_in_tables() {
    check(
        "
CREATE TABLE a (id INT, ID TEXT, PRIMARY KEY (idd), );
CREATE TABLE A (x INT);
CREATE TABLE b;
CREATE TABLE (x INT);
CREATE TABLE c (x INT
",
        expect![[r#"
            table a [] []
              id?: integer or null (INT)
            2:25 `ID` error E0202: two columns are called `ID`
                the first one is here: 2:17 `id`
                help: rename one of them
            2:47 `idd` error E0201: table `a` has no column `idd`
                help: did you mean `id`?
            2:53 `)` error E0401: a column of `a` is empty
                help: remove the comma too many
            3:14 `A` error E0202: two tables are called `A`
                the first one is here: 2:14 `a`
                help: rename one of them
            4:14 `b` error E0401: the columns of `b` are missing or not closed
                help: write them in parentheses behind the name
            5:8 `TABLE` error E0401: the table has no name
                help: write `CREATE TABLE name (column type, ...)`
            6:14 `c` error E0401: the columns of `c` are missing or not closed
                help: write them in parentheses behind the name
        "#]],
    );
    check(
        "CREATE TABLE a (x TEXT DEFAULT 'open);",
        expect![[r#"
            1:32 `'` error E0401: a text begins here and never ends
                help: close it by `'`
        "#]],
    );
    check(
        "/* never",
        expect![[r#"
        1:1 `/` error E0401: a comment begins here and never ends
            help: close it by `*/`
    "#]],
    );
    check(
        "ALTER TABLE ordrs ADD x INT; CREATE TABLE orders (id INT);",
        expect![[r#"
        table orders [] []
          id?: integer or null (INT)
        1:13 `ordrs` error E0201: there is no table `ordrs`
            help: declare it by `CREATE TABLE`
    "#]],
    );
}

#[test]
fn reads_of_one_table() {
    check_statements(
        "
-- name: findCustomer
SELECT * FROM customers WHERE id = :id;
-- name: byMail
select c.id, c.name as \"fullName\" from customers c where lower(c.email) = :email and :x = c.email
-- name: orderLine
SELECT total, status FROM orders o WHERE o.id = :id AND line = :line;
-- name: lines :many
SELECT line, total * 2 AS twice, coalesce(total, 0) AS total FROM orders
WHERE id = :id AND (:status IS NULL OR status = :status) AND placed BETWEEN :from AND :to
ORDER BY twice DESC NULLS LAST LIMIT :limit OFFSET :offset;
-- name: summary :one
SELECT count(*) AS orders, sum(total) AS total, max(placed) AS latest, avg(line) AS mean,
       min(line) AS least, CASE WHEN count(*) > :many THEN 'many' ELSE 'few' END AS how
FROM orders WHERE status IN (:a, :b, 'paid');
-- name: groups :many
SELECT customer, sum(line) AS lines FROM orders GROUP BY customer HAVING sum(line) > 3;
-- name: search :many
SELECT id FROM customers WHERE name LIKE '%' || :text || '%' OR email ILIKE :mail;
-- name: one :one
SELECT 1 AS one, CAST(:x AS INTEGER) AS x, :y::text AS y;
",
        expect![[r#"
            findCustomer One(id: integer) -> { id: integer, email: text, name: text, credit: decimal }, reads, idempotent
            byMail One(email: text, x: text) -> { id: integer, fullName: text }, reads, idempotent
            orderLine One(id: text, line: integer) -> { total: decimal, status: "new" | "paid" }, reads, idempotent
            lines Many(id: text, status: "new" | "paid" or null, from: date-time, to: date-time, limit: integer, offset: integer) -> { line: integer, twice: decimal, total: decimal }, reads, idempotent
            summary One(many: integer, a: "new" | "paid", b: "new" | "paid") -> { orders: integer, total: decimal, latest: date-time, mean: double, least: integer, how: text }, reads, idempotent
            groups Many() -> { customer: integer, lines: integer }, reads, idempotent
            search Many(text: text, mail: text) -> { id: integer }, reads, idempotent
            one One(x: integer or null, y: text or null) -> { one: integer, x: integer, y: text }, reads, idempotent
        "#]],
    );
}

#[test]
fn writes_of_one_table() {
    check_statements(
        "
-- name: add
INSERT INTO customers (email, name) VALUES (:email, :name) RETURNING id;
-- name: put
INSERT INTO customers (id, email, credit) VALUES (:id, :email, :credit)
ON CONFLICT (id) DO UPDATE SET email = excluded.email, credit = :credit;
-- name: count
INSERT INTO customers (id, email) VALUES (:id, :email)
ON CONFLICT (id) DO UPDATE SET credit = customers.credit + 1;
-- name: once
INSERT OR IGNORE INTO customers VALUES (:id, :email, :name, :credit);
-- name: rename
UPDATE customers SET name = :name WHERE id = :id;
-- name: raise
UPDATE customers SET credit = credit + :by WHERE email = :email RETURNING *;
-- name: drop
DELETE FROM customers WHERE id = :id;
-- name: dropSome :many
DELETE FROM orders WHERE status = :status RETURNING id, line;
",
        expect![[r#"
            add One(email: text, name: text or null) -> { id: integer }
            put Exec(id: integer, email: text, credit: decimal) -> { rows: integer }, idempotent
            count Exec(id: integer, email: text) -> { rows: integer }
            once Exec(id: integer, email: text, name: text or null, credit: decimal) -> { rows: integer }, idempotent
            rename Exec(name: text or null, id: integer) -> { rows: integer }, idempotent
            raise One(by: decimal, email: text) -> { id: integer, email: text, name: text, credit: decimal }
            drop Exec(id: integer) -> { rows: integer }, idempotent
            dropSome Many(status: "new" | "paid") -> { id: text, line: integer }
        "#]],
    );
}

#[test]
fn parameters_are_numbered_by_name() {
    check(
        "-- name: x :exec\nUPDATE t SET a = :a, b = ':no', c = :b WHERE a <> :a AND d = '5'::text -- :no\n;",
        expect![[r#"
            x Exec(a: any, b: any) -> { rows: integer }
              UPDATE t SET a = ?1, b = ':no', c = ?2 WHERE a <> ?1 AND d = '5'::text
            2:8 `t` error E0201: there is no table `t`
                help: declare it by `CREATE TABLE`
        "#]],
    );
}

#[test]
fn what_is_beyond_runs_untyped() {
    check_statements(
        "
-- name: joined :many
SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer WHERE c.id = :id;
-- name: with :one
WITH x AS (SELECT 1) SELECT * FROM x;
-- name: inner :many
SELECT id FROM orders WHERE customer IN (SELECT id FROM customers);
-- name: copy :exec
INSERT INTO orders SELECT * FROM old WHERE id = :id;
-- name: view :many
SELECT * FROM sqlite_master;
-- name: wiped
DELETE FROM orders USING customers WHERE customer = customers.id;
",
        expect![[r#"
            joined Many(id: any) -> { … }, reads, idempotent
            with One() -> { … }, reads, idempotent
            inner Many() -> { … }, reads, idempotent
            copy Exec(id: any) -> { rows: integer }
            view Many() -> { … }, reads, idempotent
            wiped Exec() -> { rows: integer }
            18:10 `joined` info E0402: `joined` is not typed: it joins tables
            20:10 `with` info E0402: `with` is not typed: it begins with `WITH`
            22:10 `inner` info E0402: `inner` is not typed: it has a query within
            24:10 `copy` info E0402: `copy` is not typed: it inserts what a query gives
            26:10 `view` info E0402: `view` is not typed: the columns of what it uses are not declared
            28:10 `wiped` info E0402: `wiped` is not typed: it joins tables
        "#]],
    );
}

const MISTAKES: &str = "
-- name: a :one
SELECT id, emial FROM customers WHERE idd = :id;
-- name: b :many
SELECT id FROM custmers;
-- name: c :exec
SELECT id FROM customers;
-- name: d :one
DELETE FROM customers WHERE id = :id;
-- name: e :sometimes
SELECT id FROM customers;
-- name: f :many
SELECT count(*), id FROM customers;
-- name: g :exec
INSERT INTO customers (id, name) VALUES (:id, :name, 3);
-- name: h :exec
UPDATE customers SET nam = :name WHERE c.id = :id;
-- name: i :many
SELECT id FROM customers WHERE name = :x AND id = :x;
-- name: j :many
SELECT id FROM customers WHERE id = ?1 OR id = $2;
-- name: a :one
SELECT id FROM customers;
-- name: not-good :one
SELECT id FROM customers;
-- name: orders :many
SELECT id FROM customers;
-- name: empty :one
";

#[test]
fn mistakes_in_statements() {
    check_statements(
        MISTAKES,
        expect![[r#"
            a One(id: any) -> { id: integer, emial: any }, reads, idempotent
            b Many() -> { … }, reads, idempotent
            c Exec() -> { rows: integer }, reads, idempotent
            d One(id: integer) -> {  }, idempotent
            e Many() -> { id: integer }, reads, idempotent
            f Many() -> { id: integer, … }, reads, idempotent
            g Exec(id: integer, name: text or null) -> { rows: integer }
            h Exec(name: any, id: any) -> { rows: integer }, idempotent
            i Many(x: text) -> { id: integer }, reads, idempotent
            j Many() -> { id: integer }, reads, idempotent
            19:12 `emial` error E0201: table `customers` has no column `emial`
                help: did you mean `email`?
            19:39 `idd` error E0201: table `customers` has no column `idd`
                help: did you mean `id`?
            21:16 `custmers` error E0201: there is no table `custmers`
                help: did you mean `customers`?
            22:10 `c` error E0403: `c` is marked `:exec`, and it gives rows back
                help: write `:one` or `:many`, or take the rows away
            24:10 `d` error E0403: `d` is marked `:one`, and it gives no rows back
                help: write `:exec`, or add `RETURNING`
            26:12 `:sometimes` error E0401: `:sometimes` does not say how many rows
                help: write `:one`, `:many` or `:exec`
            29:8 `count(*)` warning E0401: this result has no name
                help: name it by `AS name`
            31:13 `customers` error E0403: column `email` of `customers` must have a value
                help: add `email` and its value, or give the column a default
            31:41 `(:id, :name, 3)` error E0403: 3 values for 2 columns
                help: give each column one value
            33:22 `nam` error E0201: table `customers` has no column `nam`
                help: did you mean `name`?
            33:40 `c` error E0201: there is no table `c`
                help: known are `customers`
            35:51 `:x` warning E0403: `:x` is integer here and text before
                its first use: 35:39 `:x`
                help: give one of them another name than `:x`
            37:37 `?1` error E0401: `?1` is a parameter without a name
                help: write `:` and a name, such as `:id`
            37:48 `$2` error E0401: `$2` is a parameter without a name
                help: write `:` and a name, such as `:id`
            38:5 `a` error E0202: two statements are called `a`
                the first one is here: 18:5 `a`
                help: rename one of them
            40:1 `-- name: not-good :one` error E0401: `not-good` is no name of a statement
                help: write `-- name: findCustomer :one`
            42:10 `orders` error E0202: a table and a statement are called `orders`
                the first one is here: 8:14 `orders`
                help: rename one of them
            44:10 `empty` error E0401: no statement follows `empty`
                help: write the statement behind it, or remove it
        "#]],
    );
}

/// Words and signs that statements are made of.
const WORDS: &str = r#"
    SELECT FROM WHERE INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE ALTER ADD PRIMARY KEY
    UNIQUE INDEX ON CONFLICT DO AS orders customers id total :id :x ? $1 ( ) , ; * = 'a' ' "q"
    [b] `c` 1 1.5e3 || :: ->> NOT NULL IN BETWEEN AND OR LIKE CASE WHEN THEN END CAST count
    coalesce /* */ $$ $t$ ä INTEGER NUMERIC(10,2) DEFAULT CHECK REFERENCES GENERATED ENUM TYPE
    LIMIT ORDER BY GROUP RETURNING DISTINCT IS - . E'\'
"#;

/// Those words and signs, in any order.
fn soup() -> impl Strategy<Value = String> {
    let comments = [
        "-- name: a :one\n",
        "-- name: b\n",
        "-- pii: c\n",
        "\n",
        "\u{feff}",
    ];
    let words: Vec<&str> = WORDS.split_whitespace().chain(comments).collect();
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn anything_is_read_or_told(text in soup()) {
        let project = Project::new(&[("a.sql", &format!("{SHOP}{text}"))]);
        let (_, findings) = project.read();
        project.show(&findings);
        let project = Project::new(&[("a.sql", &text)]);
        let (_, findings) = project.read();
        project.show(&findings);
    }

    #[test]
    fn any_text_is_read_or_told(text in any::<String>()) {
        let project = Project::new(&[("a.sql", &text)]);
        let (_, findings) = project.read();
        project.show(&findings);
    }
}
