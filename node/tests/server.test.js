import assert from 'node:assert';
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Server, findProgram } from 'vnetdns';

const world = `
[[virtual_network]]
name = "spoke"
address_space = ["10.1.0.0/16"]

[[virtual_network]]
name = "other"
address_space = ["10.2.0.0/16"]

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "spoke" }]
record_set = [{ name = "www", type = "A", ttl = 60, records = ["10.1.0.80"] }, { name = "t", type = "TXT", records = ["a b"] }]
`;
let server;
before(async () => { server = await Server.start(world); });
after(() => server.stop());

test('each network sees its own', async () => {
  assert.deepEqual(await server.resolver('spoke').resolve4('www.corp.test', { ttl: true }), [{ address: '10.1.0.80', ttl: 60 }]);
  assert.deepEqual(await server.resolver('spoke').resolveTxt('t.corp.test'), [['a b']]);
  for (const network of ['other', 'outside']) {
    await assert.rejects(server.resolver(network).resolve4('www.corp.test'), { syscall: 'queryA' });
  }
  assert.throws(() => server.resolver('nobody'), /there are .*spoke/);
});

test('an answer is explained', async () => {
  assert.match(await server.explain('spoke', 'www.corp.test'), /10\.1\.0\.80/);
  assert.doesNotMatch(await server.explain('outside', 'www.corp.test'), /10\.1\.0\.80/);
});

test('a topology with a mistake says what to write instead', async () => {
  await assert.rejects(Server.start('[[virtual_network]]\nnam = "spoke"\n'), /unknown field|nam/);
});

test('a server that is stopped answers no more', async () => {
  const another = await Server.start(world);
  const resolver = another.resolver('spoke');
  await another.stop();
  await assert.rejects(resolver.resolve4('www.corp.test'));
});

test('the example of the README passes', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const example = readme.match(/```js\n([\s\S]*?)```/)[1];
  // Beside this file, so that it finds the package; its answers are changed once, to see it fail.
  const folder = mkdtempSync(new URL('.', import.meta.url).pathname);
  try {
    for (const [text, passes] of [[example, true], [example.replace("['10.1.0.80']", "['10.1.0.81']"), false]]) {
      const file = join(folder, 'example.mjs');
      writeFileSync(file, text);
      const env = { ...process.env };
      delete env.NODE_TEST_CONTEXT;
      const run = spawnSync(process.execPath, ['--test', file], { env, encoding: 'utf8' });
      assert.equal(run.status === 0, passes, run.stdout + run.stderr);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('there is a program', () => {
  const version = spawnSync(findProgram(), ['--version'], { encoding: 'utf8' });
  assert.match(version.stdout, /^vnetdns \d/);
});
