// What agents propose about the row on screen, with an answer for each. Part of the triage desk, see desk.py.
// Accepting one is a decision like any other; rejecting them leaves the row as it is.

function proposedParts(desk, card) {
  if (card.rejected) return [el("p", "muted", "You rejected what was proposed.")];
  const parts = card.proposed.map((one) => {
    const box = el("div", "proposed");
    box.append(el("p", "", one.text));
    if (one.note) box.append(el("p", "muted small", one.note));
    box.append(button("", "Accept", "", () => acceptProposal(desk, card, one)));
    return box;
  });
  if (parts.length) parts.at(-1).append(button("", "Reject", "", () => rejectProposals(desk, card)));
  return parts;
}

function acceptProposal(desk, card, one) {
  if (desk.cards.get(desk.cursor) !== card) return;
  desk.note.value = one.accepted;
  desk.decide(one.verdict, one.label);
}

function rejectProposals(desk, card) {
  if (desk.cards.get(desk.cursor) !== card) return;
  const one = { id: newId(), place: desk.data.place, key: card.key, reject: true };
  const text = `${card.id}: the proposal is rejected`;
  card.rejected = true;
  desk.last = { id: one.id, text };
  desk.pending.push(one);
  desk.history.push({ id: one.id, key: card.key, index: desk.cursor, before: card.mine, text });
  desk.move(1);
  desk.push();
}
