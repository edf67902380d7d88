export { encodeDraft } from './annotation-draft.ts';
export {
  authorOf,
  draftRecord,
  makeRecord,
  requireObeyed,
  signNext,
  starterIds,
  type Author,
  type DraftParts,
  type RecordParts,
  type RecordPlace,
  type RecordSpeech,
} from './record-author.ts';
export {
  claimAnswerBody,
  claimRequestBody,
  decodeClaimAnswer,
  decodeClaimRequest,
  type ClaimAnswer,
  type ClaimProof,
  type ClaimRequest,
} from './claim-wire.ts';
