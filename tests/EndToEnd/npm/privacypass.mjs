// The whole flow of an independent Privacy Pass client: challenge, issuance over HTTP, redemption.
// Usage: node privacypass.mjs GATEWAY ISSUER ACCOUNT_KEY MODEL TOKEN_TYPE    (prints one JSON line)
import {
  AuthorizationHeader, Extensions, TOKEN_TYPES, WWWAuthenticateHeader, publicVerif, sendTokenRequest,
} from '@cloudflare/privacypass-ts';

const [gateway, issuer, accountKey, model, typeArgument] = process.argv.slice(2);
const tokenType = Number(typeArgument);
const prompt = JSON.stringify({ model, messages: [{ role: 'user', content: 'What did you see of me?' }] });
const completions = new URL('/v1/chat/completions', gateway);
const ask = (authorization) => fetch(completions, {
  method: 'POST',
  headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
  body: prompt,
});

// 1. Without a token the gateway answers with its challenges.
const refused = await ask();
const header = refused.headers.get('www-authenticate');
const challenges = WWWAuthenticateHeader.parse(header);
const challenge = challenges.find((c) => c.challenge.tokenType === tokenType);
if (refused.status !== 401 || !challenge) throw new Error(`no challenge of type ${tokenType}: ${refused.status} ${header}`);

// 2. The issuer's directory names the request URI and, for 0xDA7A, the live metadata.
const directory = await (await fetch(new URL('/.well-known/private-token-issuer-directory', issuer))).json();
const plan = directory.plans.find((p) => p.models.includes(model) && p.tokenType === tokenType);
const requestUri = new URL(directory['issuer-request-uri'], issuer);
const extensions = tokenType === TOKEN_TYPES.PARTIALLY_BLIND_RSA.value
  ? Extensions.deserialize(Uint8Array.from(Buffer.from(plan.keys[0].extensions, 'base64url')))
  : undefined;
const client = extensions
  ? new publicVerif.ClientWithMetadata(publicVerif.PartiallyBlindRSAMode.PSS, extensions)
  : new publicVerif.Client(publicVerif.BlindRSAMode.PSS);

// 3. Blind, have it signed, unblind.
const tokenRequest = await client.createTokenRequest(challenge.challenge, challenge.tokenKey);
const response = await sendTokenRequest(
  tokenRequest.serialize(), requestUri, new Headers({ authorization: `Bearer ${accountKey}` }));
const token = await client.finalize(client.deserializeTokenResponse(response));

// 4. Redeem it, twice with the same body (the same answer), once with another (refused).
// This version of the library keeps the extensions in the header object and does not print them.
const authorization = new AuthorizationHeader(token, extensions).toString()
  + (extensions ? `, extensions="${Buffer.from(extensions.serialize()).toString('base64url')}"` : '');
const answer = await ask(authorization);
const text = await answer.text();
if (answer.status !== 200) throw new Error(`refused: ${answer.status} ${text} ${authorization}`);
const again = await ask(authorization);
const other = await fetch(completions, {
  method: 'POST', headers: { 'content-type': 'application/json', authorization },
  body: prompt.replace('see', 'learn'),
});
console.log(JSON.stringify({
  challenges: challenges.length,
  status: answer.status,
  answered: Boolean(JSON.parse(text).choices?.[0]?.message?.content),
  sameAgain: again.status === 200 && (await again.text()) === text,
  otherBody: other.status,
  otherCode: (await other.json()).error?.code,
}));
