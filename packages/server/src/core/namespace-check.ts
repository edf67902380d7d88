import { OPERATOR_LOG_ID, RegistryError, type Namespace } from '@waybill/protocol';
import type { OperatorStates } from './state-caches.ts';

/** Throws `namespace/undefined`, `namespace/imported` unless the operator log has defined it here: spec/admission.md 1.1. */
export async function requireDefined(operator: OperatorStates, namespace: Namespace): Promise<void> {
  const binding = await operator.read(OPERATOR_LOG_ID, ({ bindings }) => bindings.get(namespace));
  if (binding === undefined) {
    throw new RegistryError('namespace/undefined', `namespace ${namespace} is not defined on this registry`, {
      namespace,
    });
  }
  if (binding.status === 'defined') return;
  throw new RegistryError('namespace/imported', `namespace ${namespace} belongs to ${binding.registry}`, {
    namespace,
  });
}
