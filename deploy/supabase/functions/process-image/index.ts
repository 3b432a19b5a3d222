// `supabase.functions.invoke('process-image')` for apps that were written for Edge Functions.
import { forwarder, intakeUrl } from '../_shared/forward.ts'

Deno.serve(forwarder(intakeUrl(), '/v1/process-image'))
