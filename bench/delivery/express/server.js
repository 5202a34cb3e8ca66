// The message board of the tutorials: an array of responses, and a loop over it.
import express from 'express'

const app = express()
app.use(express.json())

let clients = []
const messages = []

app.get('/addClient', (request, response) => {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache',
    Connection: 'keep-alive',
  })
  response.flushHeaders()
  const client = { response }
  clients.push(client)
  request.on('close', () => {
    clients = clients.filter((other) => other !== client)
  })
})

app.post('/message', (request, response) => {
  const message = request.body
  messages.push(message)
  response.json(message)
  const text = `data: ${JSON.stringify(message)}\n\n`
  clients.forEach((client) => client.response.write(text))
})

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`)
})
