// The reference implementation of JSONata beside ours: bytes in to bytes out.
//
//   node order_jsonata.js MODULE MAPPING INPUT [N]
//
// MODULE is the folder of the npm package `jsonata`. Without N it prints the result, with N how many
// evaluations a CPU-second holds, the compilation left out.
"use strict";

const fs = require("node:fs");

async function main() {
  const [module, mapping, input, times] = process.argv.slice(2);
  const jsonata = require(module);
  const expression = jsonata(fs.readFileSync(mapping, "utf8"));
  const bytes = fs.readFileSync(input);
  const evaluate = async () =>
    Buffer.from(JSON.stringify(await expression.evaluate(JSON.parse(bytes.toString("utf8")))));

  if (times === undefined) {
    process.stdout.write(await evaluate());
    return;
  }
  // The compiler of the engine has warmed up before the clock starts.
  for (let i = 0; i < 200; i++) await evaluate();
  const begun = process.cpuUsage();
  for (let i = 0; i < Number(times); i++) await evaluate();
  const spent = process.cpuUsage(begun);
  const seconds = (spent.user + spent.system) / 1e6;
  console.log(JSON.stringify({ per_cpu_second: Number(times) / seconds }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
