// `supabase.functions.invoke('analyze-face')` for apps that were written for Edge Functions.
import { forwarder, intakeUrl } from '../_shared/forward.ts'

Deno.serve(forwarder(intakeUrl(), '/v1/analyze-face'))
