use std::fmt::Write as _;

use expect_test::{Expect, expect};
use sluice_model::operation::Body;

use crate::testing::{Project, show_type};

/// Writes the operations and findings of a document.
fn check_files(files: &[(&str, &str)], expect: Expect) {
    let project = Project::new(files);
    let (contract, findings) = project.read();
    let mut out = String::new();
    let body = |body: &Body| {
        let mark = if body.required { "" } else { "?" };
        let examples = match body.examples.len() {
            0 => String::new(),
            count => format!(" ({count} examples)"),
        };
        format!(
            "{}{mark} {}{examples}",
            body.media_type,
            show_type(&body.ty)
        )
    };
    for operation in contract.operations() {
        let marks = [
            (operation.safe, " safe"),
            (operation.idempotent, " idempotent"),
        ];
        let marks: String = marks
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, text)| *text)
            .collect();
        writeln!(
            out,
            "{}: {} {}{marks}",
            operation.id, operation.method, operation.path
        )
        .expect("a text takes any text");
        for param in &operation.params {
            let mark = if param.required { "" } else { "?" };
            let explode = if param.explode { " explode" } else { "" };
            let ty = show_type(&param.ty);
            writeln!(
                out,
                "  {:?} {}{mark}: {ty}{explode}",
                param.place, param.name
            )
            .expect("a text takes any text");
        }
        if let Some(own) = &operation.body {
            writeln!(out, "  < {}", body(own)).expect("a text takes any text");
        }
        for response in &operation.responses {
            let shown = response.body.as_ref().map_or("-".to_owned(), body);
            writeln!(out, "  > {:?} {shown}", response.status).expect("a text takes any text");
            for header in &response.headers {
                let ty = show_type(&header.ty);
                writeln!(out, "    {}: {ty}", header.name).expect("a text takes any text");
            }
        }
    }
    out.push_str(&project.show(&findings));
    expect.assert_eq(&out);
}

fn check(text: &str, expect: Expect) {
    check_files(&[("contracts/orders.openapi.yaml", text)], expect);
}

const ORDERS: &str = "
openapi: 3.0.3
info: { title: Orders, version: '1' }
servers: [{ url: 'https://acme.example/v1' }]
paths:
  /orders:
    parameters:
      - { name: X-Trace, in: header, schema: { type: string } }
      - { name: page, in: query, schema: { type: integer, default: 1 } }
    get:
      operationId: listOrders
      summary: Lists orders.
      parameters:
        - { $ref: '#/components/parameters/Page' }
        - { name: state, in: query, explode: false, schema: { type: array, items: { type: string } } }
        - { name: tag, in: query, schema: { type: array, items: { type: string } } }
        - { name: Accept, in: header, schema: { type: string } }
        - { name: filter, in: query, content: { application/json: { schema: { type: object } } } }
      responses:
        '200':
          description: Fine.
          headers: { X-Count: { schema: { type: integer } }, Content-Type: { schema: { type: string } } }
          content: { text/csv: {}, application/json: { schema: { type: array, items: { $ref: '#/components/schemas/Order' } } } }
        4XX: { $ref: '#/components/responses/Problem' }
        default: { description: Else. }
    post:
      operationId: createOrder
      requestBody: { $ref: '#/components/requestBodies/Order' }
      responses: { 201: { description: Made., content: { application/json: { schema: { $ref: '#/components/schemas/Order' }, example: { id: A } } } } }
  /orders/{id}:
    delete:
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses: { 204: { description: Gone. } }
components:
  parameters: { Page: { name: page, in: query, required: true, schema: { type: integer } } }
  requestBodies:
    Order:
      required: true
      content:
        application/json:
          schema: { $ref: '#/components/schemas/Order' }
          examples: { a: { value: { total: 1 } }, b: { $ref: '#/components/examples/B' } }
  examples: { B: { value: { total: 2 } } }
  responses:
    Problem: { description: Bad., content: { application/problem+json: { schema: { type: object, properties: { title: { type: string, nullable: true } } } } } }
  schemas:
    Order:
      type: object
      required: [id, total, secret]
      properties:
        id: { type: string, readOnly: true }
        total: { type: number }
        secret: { type: string, writeOnly: true }
";

#[test]
fn operations_with_all_their_parts() {
    check(
        ORDERS,
        expect![[r#"
            listOrders: GET /orders safe idempotent
              Header X-Trace?: text
              Query page: integer explode
              Query state?: [text]0..
              Query tag?: [text]0.. explode
              Query filter?: { *: any }
              > One(200) application/json [Order]0..
                X-Count: integer
              > Class(4) application/problem+json { title?: text?, *: any }
              > Default -
            createOrder: POST /orders
              Header X-Trace?: text
              Query page?: integer explode
              < application/json { id?: text, total: decimal, secret: text, *: any } (2 examples)
              > One(201) application/json { id: text, total: decimal, secret?: text, *: any } (1 examples)
            DELETE /orders/{id}: DELETE /orders/{id} idempotent
              Path id: text
              > One(204) -
        "#]],
    );
}

#[test]
fn unions_with_discriminators() {
    let project = Project::new(&[(
        "pets.openapi.yaml",
        "
openapi: 3.1.0
components:
  schemas:
    Pet:
      oneOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }]
      discriminator:
        propertyName: kind
        mapping: { cat: '#/components/schemas/Cat', wolf: Dog, bird: '#/components/schemas/Brd' }
    Cat: { type: object, required: [kind], properties: { kind: { type: string } } }
    Dog: { type: object, required: [kind], properties: { kind: { type: string } } }
",
    )]);
    let (contract, findings) = project.read();
    let pet = contract.type_named("Pet").expect("the contract has it");
    let sluice_model::types::Kind::Union(union) = &pet.kind else {
        panic!("{pet}")
    };
    let discriminator = union.discriminator.as_ref().expect("it has one");
    assert_eq!(discriminator.field.as_str(), "kind");
    let mapping: Vec<(&str, usize)> = discriminator
        .mapping
        .iter()
        .map(|(text, index)| (&**text, *index))
        .collect();
    assert_eq!(mapping, [("cat", 0), ("wolf", 1)]);
    expect![[r#"
        9:70 `'#/components/schemas/Brd'` warning E0403: `#/components/schemas/Brd` is none of the alternatives
            help: add it to `oneOf`, or remove it from `mapping`
    "#]].assert_eq(&project.show(&findings));
}

const MISTAKES: &str = "
openapi: 3.0.0
paths:
  orders: {}
  /a/{id}:
    gett: {}
    get:
      operationId: same
      parameters:
        - { name: idd, in: path, required: true, schema: { type: string } }
        - { in: query }
        - { name: x, in: qery }
        - { name: y }
        - { $ref: '#/components/parameters/Nope' }
        - { name: s, in: query, style: froms, schema: {} }
        - { name: d, in: query, style: deepObject, schema: {} }
        - { name: d, in: query, schema: {} }
      responses: { 20: { description: x }, 200: { description: x } }
    put: { operationId: same, parameters: [{ name: id, in: path, schema: { type: string } }], responses: {} }
    post: { requestBody: {}, responses: [] , parameters: [{ name: id, in: path, required: true, schema: { type: string } }] }
    patch: { parameters: [{ name: id, in: path, required: true, schema: { type: string } }] }
  /b/{: {}
  /c/{x}/{x}: {}
  /d: text
components: { parameters: { Note: { name: n, in: query } } }
";

#[test]
fn mistakes_have_one_finding_each() {
    check(
        MISTAKES,
        expect![[r#"
            same: GET /a/{id} safe idempotent
              Path idd: text
              Query s?: any
              Query d?: any
              > One(200) -
            PUT /a/{id}: PUT /a/{id} idempotent
              Path id: text
            POST /a/{id}: POST /a/{id}
              Path id: text
            PATCH /a/{id}: PATCH /a/{id}
              Path id: text
            4:3 `orders` error E0401: the path `orders` does not begin with `/`
                help: write `/orders`
            6:5 `gett` error E0401: `gett` is no method
                help: did you mean `get`?
            10:19 `idd` error E0403: the path `/a/{id}` has no parameter `idd`
                help: did you mean `id`?
            11:11 `{ in: query }` error E0401: the parameter has no name
                help: add `name`
            12:26 `qery` error E0401: a parameter cannot stand in `qery`
                help: did you mean `query`?
            13:11 `{ name: y }` error E0401: the parameter `y` does not say where it stands
                help: add `in: query`, `path`, `header` or `cookie`
            14:19 `'#/components/parameters/Nope'` error E0201: nothing stands at `#/components/parameters/Nope`
                help: did you mean `#/components/parameters/Note`?
            15:40 `froms` error E0401: there is no style `froms`
                help: the styles are `form`, `simple`, `matrix`, `label`, `spaceDelimited`, `pipeDelimited` and `deepObject`
            16:40 `deepObject` info E0402: parameters are not written in the style `deepObject` yet
            17:11 `{ name: d, in: query, schema: ` error E0202: the parameter `d` is declared twice
                the first one is here: 16:19 `d`
                help: remove one of them
            18:20 `20` error E0401: `20` is no status
                help: write a number from 100 to 599, a class such as `4XX`, or `default`
            19:25 `same` error E0202: two operations have the id `same`
                the first one is here: 8:20 `same`
                help: give one of them another id; until then it goes by `PUT /a/{id}`
            19:56 `in` warning E0401: the path parameter `id` must be required
                help: add `required: true`
            20:13 `requestBody` error E0401: `requestBody` has no `content`
                help: add `content: { application/json: { schema: ... } }`
            20:41 `[]` error E0401: `responses` is a map, not a list
                help: indent its entries below it, or write `{}`
            21:5 `patch` error E0401: the operation has no `responses`
                help: add `responses: { 200: { description: ... } }`
            22:3 `/b/{` error E0401: the path `/b/{` has a `{` without its `}`
                help: write each parameter as `{name}`, once
            23:3 `/c/{x}/{x}` error E0401: the path `/c/{x}/{x}` has a parameter twice
                help: write each parameter as `{name}`, once
            24:7 `text` error E0401: a path item is a map, not a text
                help: indent its entries below it, or write `{}`
        "#]],
    );
}

#[test]
fn versions() {
    check(
        "swagger: '2.0'\npaths: {}",
        expect![[r#"
        1:1 `swagger` error E0402: OpenAPI 2.0 (Swagger) is not supported yet
            help: convert the document to OpenAPI 3.0, for instance by its editor
    "#]],
    );
    check(
        "openapi: 4.0.0\npaths: {}",
        expect![[r#"
        1:10 `4.0.0` error E0401: there is no OpenAPI version `4.0.0`
            help: the versions that are read are 3.0 and 3.1
    "#]],
    );
    check(
        "openapi: 3.2.0\npaths: {}",
        expect![[r#"
        1:10 `3.2.0` info E0402: OpenAPI 3.2.0 is read as 3.1
    "#]],
    );
    check(
        "info: {}",
        expect![[r#"
        1:1 `` error E0401: the document does not say its version
            help: add `openapi: 3.1.0`
    "#]],
    );
    check(
        "openapi: 3.1.0\ninfo: {}",
        expect![[r#"
        1:1 `openapi: 3.1.0` error E0401: the document has neither `paths` nor `components`
            help: add `paths: {}`, or the operations under it
    "#]],
    );
    check(
        "[]",
        expect![[r#"
        1:1 `[]` error E0401: an OpenAPI document is a map
            help: begin it with `openapi: 3.1.0`
    "#]],
    );
}

#[test]
fn pointers_reach_bodies() {
    let project = Project::new(&[(
        "a.openapi.yaml",
        "
openapi: 3.1.0
paths:
  /orders:
    post:
      requestBody: { $ref: '#/components/requestBodies/Order' }
      responses: { 200: { description: x, content: { application/json: { schema: { type: integer } } } } }
components: { requestBodies: { Order: { content: { application/json: { schema: { type: boolean } } } } } }
",
    )]);
    let (contract, _) = project.read();
    let show = |pointer: &str| contract.type_named(pointer).map(|ty| show_type(&ty)).ok();
    assert_eq!(show("/paths/~1orders/post").as_deref(), Some("boolean"));
    assert_eq!(
        show("/paths/~1orders/post/responses/200").as_deref(),
        Some("integer")
    );
    assert_eq!(
        show("/components/requestBodies/Order").as_deref(),
        Some("boolean")
    );
    assert_eq!(show("/paths/~1nothing"), None);
}

#[test]
fn a_large_document_of_cycles_is_read_at_once() {
    let count = 3_000;
    let mut text = String::from("openapi: 3.1.0\npaths:\n");
    for i in 0..count {
        text.push_str(&format!(
            "  /things/{i}/{{id}}:\n    put:\n      operationId: put{i}\n      parameters:\n        \
             - {{ name: id, in: path, required: true, schema: {{ type: string }} }}\n      \
             requestBody: {{ content: {{ application/json: {{ schema: {{ $ref: \
             '#/components/schemas/T{i}' }} }} }} }}\n      responses: {{ '200': {{ description: \
             ok, content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/T{i}' \
             }} }} }} }} }}\n"
        ));
    }
    text.push_str("components:\n  schemas:\n");
    for i in 0..count {
        text.push_str(&format!(
            "    T{i}:\n      type: object\n      properties:\n"
        ));
        for field in 0..20 {
            text.push_str(&format!(
                "        field{field}: {{ type: string, description: A field of some length, maxLength: 35 }}\n"
            ));
        }
        let (next, far) = ((i + 1) % count, (i * 7 + 3) % count);
        text.push_str(&format!(
            "        next: {{ $ref: '#/components/schemas/T{next}' }}\n        \
             many: {{ type: array, items: {{ $ref: '#/components/schemas/T{far}' }} }}\n"
        ));
    }
    let project = Project::new(&[("large.openapi.yaml", &text)]);
    let (contract, findings) = project.read();
    assert!(findings.is_empty(), "{}", project.show(&findings));
    assert_eq!(
        (contract.operations().len(), contract.types().len()),
        (count, count)
    );
    println!("{} MB", text.len() / 1_000_000);
}
