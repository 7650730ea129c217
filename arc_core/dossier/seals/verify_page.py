"""`VERIFY.md`: how to check a dossier, what that proves, and what it does not."""

from arc_core.dossier.document import WORDING
from arc_core.dossier.seals.chain import Copied
from arc_core.dossier.verifier.script import script
from arc_core.provenance.canonical import sha256_of_text

_PAGE = """# Verify this dossier

*{wording}*

```sh
python3 verify.py                         # in this folder
python3 verify.py --key {short}    # only this key counts: compare it with the one you were told
```

It needs Python 3.9 or newer and nothing else: no package, no network, none of ARC. Exit code 0: all of what
follows holds. 1: something is wrong, and the first thing wrong is named.

| | |
|---|---|
| key | `{key}` |
| ledger | {events} events, the first `{first}`, the last `{last}` |
| SHA-256 of verify.py | `{script}` |

## What is checked, in this order

1. **chain** – `ledger.jsonl`: each line is an event, and holds the SHA-256 of the line before it. An event
   that was edited, taken out, put in or moved is named.
2. **heads** – `heads.jsonl`: numbers and hashes of events that were the last at a moment, each signed
   (Ed25519, DSSE) with a key that the chain declares. A chain that was cut off before a head, or rewritten,
   is named.
3. **manifest** – `manifest.json` is the one that was signed, and the chain ends where it says.
4. **files** – every file has the SHA-256 of the manifest; none is missing, and none was put in.
5. **measured** – the cases in `measured/` and the evaluations in `evaluations/` are those whose hashes
   stand in the chain.
6. **attestation** – `attestation.intoto.json` is signed; the files of the training that it is about lie here,
   or their hashes stand in the evaluation of the chain.
7. **openings** – each opening of the sealed test part came after `split.frozen`, `sap.locked` and
   `threshold.locked`, in this order, and before its `eval.completed`; there are as many as the model card
   says.
8. **numbers** – each number in Markdown, JSON and CSV that names an evaluation names an `eval.completed` of
   the chain. A metric of `experiments.csv` or `trainings.csv`, and every figure of a test part in JSON, has
   to be the very one that was recorded. The others were computed from the recorded cases, which lie in
   `measured/` to compute them again. Of PDFs and pictures only the hashes are checked.

## What it does not prove

- **Honesty.** The chain is signed with ARC's own key. Who holds that key, the store and the heads can write
  another history, sign it and export it, and it will verify. Independence needs a head, or the key's id,
  that somebody else has kept, or an outside time-stamp.
- **Who holds the key.** Nothing here says to whom it belongs. Compare its id with one that came another
  way.
- **The data.** Images and labels are known by their hashes. Whether they are what they are said to be, and
  whether patients are who they are said to be, no hash can tell.
- **The times.** They are those of the machine's clock.
- **That nothing happened beside the record.** Test images that were looked at, and models that were
  trained, outside of ARC leave no event.
- **This program.** Who changes the dossier can change verify.py as well. Run a copy that you have from
  elsewhere, with the SHA-256 above: `python3 /elsewhere/verify.py FOLDER`.
- **The export itself.** The ledger's copy ends before the event that tells of the export, `export.sealed`:
  that one holds the SHA-256 of `manifest.json`, so it can't lie in here. ARC's own store has it; ask for
  it, and for a head signed after it, to see that this dossier is the one that was exported.

## The other files for machines

| file | what |
|---|---|
| `sbom.cdx.json` | CycloneDX 1.6: software, the model with its card, the data |
| `provenance.prov.json` | W3C PROV-JSON: what came from what, and who wanted it |
| `attestation.intoto.json` | in-toto Statement v1, SLSA provenance v1, in DSSE; no SLSA level is claimed |
| `ro-crate-metadata.json` | RO-Crate 1.1, Process Run Crate 0.5 |
| `ledger-key.pub.pem` | the public key, for other programs |
"""


def verify_page(copied: Copied, key: str) -> str:
    return _PAGE.format(
        wording=WORDING,
        key=key,
        short=key[:16],
        script=sha256_of_text(script()),
        **copied.model_dump(),
    )
