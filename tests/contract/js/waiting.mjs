// Waiting for something to be so, with a deadline.
const DEADLINE_MS = 30_000
const POLL_MS = 100

// Ask again and again; the first answer that is enough.
export async function until(ask, enough) {
  const deadline = Date.now() + DEADLINE_MS
  for (;;) {
    const value = await ask()
    if (enough(value)) return value
    if (Date.now() > deadline) throw new Error(`still ${value} after ${DEADLINE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

// What came in, in order; `first` waits for what is still to come.
export class Heard {
  items = []
  #waiting = new Set()

  add(item) {
    this.items.push(item)
    for (const look of [...this.#waiting]) look()
  }

  // Those so far with these values.
  all(wanted) {
    return this.items.filter((item) => matches(item, wanted))
  }

  // The first with these values, or that a function says is wanted, now or later.
  first(wanted) {
    const isWanted = typeof wanted === 'function' ? wanted : (item) => matches(item, wanted)
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.items.find(isWanted)
        if (found === undefined) return
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(found)
      }
      const timer = setTimeout(() => {
        reject(new Error(`never heard ${wanted instanceof Function ? wanted : JSON.stringify(wanted)}`))
      }, DEADLINE_MS)
      this.#waiting.add(look)
      look()
    })
  }
}

function matches(item, wanted) {
  return Object.entries(wanted).every(([name, value]) => JSON.stringify(item[name]) === JSON.stringify(value))
}
