// Webhooks signed by Stripe's own SDK, and ones that Paddle's own SDK takes for authentic, sent to a running issuer; and altered ones, which must fail.
import { createHmac } from "node:crypto";
import Stripe from "stripe";
import { Paddle } from "@paddle/paddle-node-sdk";

const [issuer, stripeSecret, paddleSecret] = process.argv.slice(2);
const now = Math.floor(Date.now() / 1000);

async function deliver(provider, header, signature, payload) {
  const response = await fetch(new URL(`/webhooks/${provider}`, issuer), {
    method: "POST",
    headers: { "content-type": "application/json", [header]: signature },
    body: payload,
  });
  return response.status;
}

const stripe = new Stripe("sk_test_none");
const session = JSON.stringify({
  id: "evt_1", object: "event", type: "checkout.session.completed", created: now,
  data: { object: { id: "cs_1", payment_intent: "pi_sdk", payment_status: "paid", amount_total: 500, amount_subtotal: 500, currency: "usd",
    metadata: { tacit_reference: "AAAAAAAAAAAAAAAAAAAAAA" } } },
});
const stripeHeader = stripe.webhooks.generateTestHeaderString({ payload: session, secret: stripeSecret });
const oldHeader = stripe.webhooks.generateTestHeaderString({ payload: session, secret: stripeSecret, timestamp: now - 3600 });

const completed = JSON.stringify({
  event_id: "evt_2", event_type: "transaction.completed", occurred_at: new Date().toISOString(), notification_id: "ntf_1",
  data: { id: "txn_sdk", status: "completed", currency_code: "USD", custom_data: { tacit_reference: "AAAAAAAAAAAAAAAAAAAAAA" },
    items: [{ price: { id: "pri_small" }, quantity: 1 }], details: { totals: { subtotal: "500", tax: "0", total: "500" } }, payments: [] },
});
const paddleHeader = `ts=${now};h1=${createHmac("sha256", paddleSecret).update(`${now}:${completed}`).digest("hex")}`;
const paddle = new Paddle("pdl_sdbx_none");

console.log(JSON.stringify({
  stripe: await deliver("stripe", "Stripe-Signature", stripeHeader, session),
  stripeAltered: await deliver("stripe", "Stripe-Signature", stripeHeader, session.replace("500", "501")),
  stripeOld: await deliver("stripe", "Stripe-Signature", oldHeader, session),
  paddleSdkAccepts: await paddle.webhooks.isSignatureValid(completed, paddleSecret, paddleHeader),
  paddle: await deliver("paddle", "Paddle-Signature", paddleHeader, completed),
  paddleSdkRefuses: !(await paddle.webhooks.isSignatureValid(completed + " ", paddleSecret, paddleHeader)),
  paddleAltered: await deliver("paddle", "Paddle-Signature", paddleHeader, completed + " "),
}));
