import { RegistryError, type RecordId } from '@waybill/protocol';

/** The place in its log that a record asks for is taken, or kept for another. */
export function publishConflict(recordId: RecordId, options: ErrorOptions = {}): RegistryError {
  return new RegistryError('publish/conflict', `another record came first: ${recordId}`, { recordId }, options);
}
