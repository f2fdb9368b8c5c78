import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKey, readInvitation, toAddress } from '../src/setup/invitation';

const key = 'DuxdGNJiERvJGC_HORx6M9eF5M4zwQFAwfrpFAg2D7U';
const voucher = '5SD9-QX2N-7HMB-41TR-CZWK-8EGA-YP3';

test('An invitation as `tacit issuer invite` writes it is read whole', () => {
  assert.deepEqual(readInvitation(`tacit:?issuer=https://issuer.example&key=${key}&voucher=${voucher}`), {
    issuer: 'https://issuer.example', gateway: undefined, key, pin: undefined, voucher,
  });
});

test('Address, key and voucher are found in a message, wherever they stand', () => {
  const found = readInvitation(`Hi! Go to https://issuer.example/ (key: ${key}). Your voucher is ${voucher}.`);
  assert.deepEqual([found.issuer, found.key, found.voucher], ['https://issuer.example', key, voucher]);
  assert.equal(readInvitation(`KEY ${'ab'.repeat(32)} at http://${'a'.repeat(56)}.onion`).key, 'ab'.repeat(32));
});

test('What an onion address has in common with a key does not make it one', () => {
  const found = readInvitation(`http://${'abcdefg2'.repeat(7)}.onion`);
  assert.equal(found.issuer, `http://${'abcdefg2'.repeat(7)}.onion`);
  assert.equal(found.key, undefined);
});

test('An address is taken as people type it, and nothing else is one', () => {
  assert.equal(toAddress(' issuer.example/ '), 'https://issuer.example');
  assert.equal(toAddress('127.0.0.1:8225'), 'http://127.0.0.1:8225');
  assert.equal(toAddress(`${'b'.repeat(56)}.onion`), `http://${'b'.repeat(56)}.onion`);
  for (const text of ['', 'issuer', 'javascript:alert(1)', 'https://']) {
    assert.equal(toAddress(text), null, text);
  }
});

test('A key has one of two forms', () => {
  assert.ok(isKey(key) && isKey('AB'.repeat(32)));
  assert.ok(!isKey(key.slice(1)) && !isKey(`${key}=`));
});
