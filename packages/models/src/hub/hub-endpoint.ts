/** The Hugging Face hub, or the mirror that `HF_ENDPOINT` names; without a slash at the end. */
function hubEndpoint(): string {
  return (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
}

/**
 * The address of a file of a repository's main branch on the hub.
 */
export function resolveUrl(repo: string, file: string): string {
  return `${hubEndpoint()}/${repo}/resolve/main/${file}`;
}
